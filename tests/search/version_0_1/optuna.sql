BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'a');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'hpsearch:identity','{"trainable": "mine:train", "objective": {"metric": "value", "direction": "maximize"}, "trial": {"x": {"float": [0.0, 1.0]}, "lr": {"float": [1e-05, 1.0], "log": true}, "n": {"int": [1, 9]}, "kind": {"choice": [{"y": {"float": [0.0, 1.0]}}, {"y": 0.25}, {"y": {"float": [0.5, 0.7]}, "z": {"int": [1, 100], "log": true}}]}}, "search": {"sampler": {"name": "tpe", "startup_trials": 4}, "pruner": {"name": "asha", "min_resource": 2, "reduction_factor": 3}, "seed": 5, "baselines": true}, "enqueue": []}');
INSERT INTO "study_user_attributes" VALUES(2,1,'hpsearch:description','""');
INSERT INTO "study_user_attributes" VALUES(3,1,'hpsearch:file','"name: a\ntrainable: mine:train\nobjective: {metric: value, direction: maximize}\ntrial:\n  x:\n    float: [0, 1]\n  lr:\n    float: [1.0e-05, 1]\n    log: true\n  n:\n    int: [1, 9]\n  kind:\n    choice:\n    - y:\n        float: [0, 1]\n    - {y: 0.25}\n    - y:\n        float: [0.5, 0.7]\n      z:\n        int: [1, 100]\n        log: true\nsearch:\n  trials: 30\n  sampler: {name: tpe, startup_trials: 4}\n  pruner: asha\n  seed: 5\n"');
INSERT INTO "study_user_attributes" VALUES(4,1,'hpsearch:folders','["/home/user/study"]');
INSERT INTO "study_user_attributes" VALUES(5,1,'hpsearch:engines','{}');
INSERT INTO "study_user_attributes" VALUES(6,1,'hpsearch:id','"adf59e7f3df241bfa7389dcc4ae29170"');
INSERT INTO "study_user_attributes" VALUES(7,1,'hpsearch:data','{}');
INSERT INTO "study_user_attributes" VALUES(8,1,'hpsearch:provenance','[{"since": "2026-11-26T17:54:02.993407", "tags": {"hpsearch.python": "3.11.7", "hpsearch.version": "0.1.0", "hpsearch.tensorflow": "2.21.0", "hpsearch.keras": "3.15.1", "hpsearch.optuna": "5.0.0", "hpsearch.mlflow": "3.17.2", "hpsearch.numpy": "2.4.6", "mlflow.source.name": "hpsearch", "mlflow.source.type": "LOCAL", "mlflow.user": "root"}}]');
INSERT INTO "study_user_attributes" VALUES(9,1,'hpsearch:enqueued','true');
INSERT INTO "study_user_attributes" VALUES(10,1,'hpsearch:contents','[{"since": "2026-11-26T17:54:03.001593", "data": {}, "sources": {"mine.py": "555b9c06542b222ad83d1f1aff30dcb7"}}]');
INSERT INTO "study_user_attributes" VALUES(11,1,'hpsearch:addresses','{"": false}');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,1,-4.93441150940676642733e-03,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,2,5.45720421318716536474e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,2,1,7.3063146584297078423e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,1,3,1.16546887861422782117e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,2,2,1.7537852992095176452e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,1,4,1.42161045751305670226e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,2,3,2.27382464163985970051e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,1,5,1.42161045751305670226e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,2,4,2.27382464163985970051e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,1,6,1.42161045751305670226e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,2,5,2.27382464163985970051e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,1,7,1.42161045751305670226e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,2,6,2.27382464163985970051e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,1,8,1.42161045751305670226e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,2,7,2.27382464163985970051e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,1,9,1.42161045751305670226e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,2,8,2.54624266429364420893e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,2,9,2.85524373087184035746e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(19,3,1,1.67567510551031806365e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(20,4,1,2.821844404126007122e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(21,3,2,2.70086197441711028943e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(22,4,2,3.85411156170095414719e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(23,3,3,2.95996534226180496585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(24,4,3,0.412577044953602,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(25,3,4,2.95996534226180496585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(26,4,4,4.32332804586953334258e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(27,3,5,2.95996534226180496585e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(28,4,5,4.79657222141797623393e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(29,3,6,3.19954297570593293453e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(30,3,7,3.76845099715550579944e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(31,4,6,5.41203652348898334167e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(32,3,8,4.11140076225976813795e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(33,4,7,5.77507071613885814009e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(34,3,9,4.11140076225976813795e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(35,4,8,5.77507071613885814009e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(36,5,1,4.57084811004957070057e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(37,4,9,5.77507071613885814009e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(38,5,2,5.84805623471239099941e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(39,6,1,9.42229644640143748635e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(40,5,3,0.632594788836514,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(41,6,2,1.70156142247681496648e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(42,5,4,6.84152110210182407001e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(43,5,5,7.43404579053445146996e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(44,7,1,1.54918470307637223815e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(45,5,6,7.76517269371108320719e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(46,7,2,2.42395469168786514835e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(47,5,7,7.76517269371108320719e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(48,5,8,7.76517269371108320719e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(49,8,1,4.0998666065979055828e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(50,5,9,7.76517269371108320719e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(51,8,2,6.82964681812527341087e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(53,8,3,8.27527687303506898075e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(55,8,4,8.70320941542307213723e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(57,8,5,8.70320941542307213723e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(58,8,6,8.70320941542307213723e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(59,10,1,3.92354172257760036579e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(60,8,7,8.70320941542307213723e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(61,10,2,5.175367063764305664e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(62,8,8,9.04425375743606707601e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(63,10,3,5.2960909772522579697e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(64,8,9,9.44754243044234498505e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(65,10,4,5.2960909772522579697e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(66,11,1,0.28241631710016,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(67,10,5,5.41067479054216482481e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(68,11,2,4.19250656211666794526e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(69,10,6,5.90319822253869697092e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(71,13,1,4.16227826953764923345e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(73,13,2,6.11328310968561217109e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(75,13,3,7.29750673642007741115e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(76,13,4,0.79707570311534,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(77,14,1,4.50413279327090354531e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(78,13,5,8.04858303747878922607e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(79,14,2,6.94818919328624273745e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(80,13,6,8.04858303747878922607e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(81,14,3,8.14423994092091874108e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(82,13,7,8.04858303747878922607e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(83,14,4,8.43887475704006573273e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(84,13,8,8.04858303747878922607e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(85,14,5,8.43887475704006573273e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(86,13,9,8.04858303747878922607e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(87,14,6,8.43887475704006573273e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(88,15,1,3.76573004584652537563e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(89,14,7,8.43887475704006573273e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(90,15,2,6.0093350478719465002e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(91,14,8,8.43887475704006573273e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(92,15,3,6.91063870304305494229e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(93,14,9,8.62909040855051823193e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(94,15,4,6.96185395542889495779e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(95,16,1,5.56400877316312159059e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(96,15,5,6.96185395542889495779e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(97,16,2,7.65566007788348490414e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(98,15,6,6.96185395542889495779e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(99,16,3,8.12101220760891640004e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(100,16,4,8.12101220760891640004e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(101,17,1,4.70540841480178551048e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(102,16,5,8.19740569642981142806e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(103,17,2,6.07681480807624740947e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(104,16,6,8.64841284656271747088e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(105,17,3,0.640899312810141,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(106,16,7,9.12271959408858079676e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(107,17,4,0.669355317328409,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(108,16,8,9.23082522568181240707e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(109,17,5,7.21167673037047318729e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(110,16,9,9.23082522568181240707e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(111,17,6,7.71416938114294237216e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(114,19,1,2.65817025857687794232e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(116,19,2,4.59320244442291969466e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(117,20,1,0.472633277209442,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(118,21,1,2.87863295772699867569e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(119,20,2,7.36644653298048068812e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(120,21,2,4.69892721782309896738e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(121,20,3,8.79442774297772067448e-01,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'x',1.0583133857766757746e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,1,'lr',3.21616043353158088599e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(3,1,'n',3.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(4,1,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(5,1,'kind.{"y":{"float":[0.0,1.0]}}.y',3.21580567867625233269e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(6,2,'x',2.4017848484576942436e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(7,2,'lr',2.58711880755469204851e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(8,2,'n',5.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(9,2,'kind',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(10,3,'x',3.71767788303687063411e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(11,3,'lr',2.21913254313133717632e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(12,3,'n',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(13,3,'kind',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(14,4,'x',5.38190931219129642393e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(15,4,'lr',8.3891110455302009604e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(16,4,'n',9.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(17,4,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(18,4,'kind.{"y":{"float":[0.0,1.0]}}.y',3.66347399626808178929e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(19,5,'x',7.30074801790778216137e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(20,5,'lr',4.36596153103492861258e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(21,5,'n',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(22,5,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(23,5,'kind.{"y":{"float":[0.0,1.0]}}.y',7.10942613780465748618e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(24,6,'x',6.49724171723557120117e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(25,6,'lr',2.68504906295854420174e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(26,6,'n',9.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(27,6,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(28,6,'kind.{"y":{"float":[0.0,1.0]}}.y',6.88333028649090739037e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(29,7,'x',0.298633293864952,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(30,7,'lr',1.46202725359061924681e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(31,7,'n',9.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(32,7,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(33,7,'kind.{"y":{"float":[0.0,1.0]}}.y',9.58954774601237458497e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(34,8,'x',9.01420849084182407295e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(35,8,'lr',7.14820811071881556664e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(36,8,'n',9.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(37,8,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(38,8,'kind.{"y":{"float":[0.0,1.0]}}.y',4.62783489724187202529e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(39,9,'x',9.65817488436483406744e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(40,9,'lr',1.19307180664306070549e-05,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(41,9,'n',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(42,9,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(43,9,'kind.{"y":{"float":[0.0,1.0]}}.y',9.61358750046939380951e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(44,10,'x',5.85809287711611448301e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(45,10,'lr',1.57166791811904904552e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(46,10,'n',6.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(47,10,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(48,10,'kind.{"y":{"float":[0.0,1.0]}}.y',6.79992587219156341404e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(49,11,'x',9.43966649564865645238e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(50,11,'lr',7.04227063631701177826e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(51,11,'n',4.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(52,11,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(53,11,'kind.{"y":{"float":[0.0,1.0]}}.y',1.0752561758379330925e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(54,12,'x',9.84725937316650368202e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(55,12,'lr',1.10283685762421080484e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(56,12,'n',7.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(57,12,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(58,12,'kind.{"y":{"float":[0.0,1.0]}}.y',5.17769894432630439773e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(59,13,'x',7.70678197001091636053e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(60,13,'lr',4.44244799695313417192e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(61,13,'n',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(62,13,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(63,13,'kind.{"y":{"float":[0.0,1.0]}}.y',7.22443123815197929538e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(64,14,'x',8.25042808215139200633e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(65,14,'lr',9.7541954707974720673e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(66,14,'n',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(67,14,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(68,14,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.y',6.95114488735329216773e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(69,14,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.z',2.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 100}}');
INSERT INTO "trial_params" VALUES(70,15,'x',0.744889214212147,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(71,15,'lr',9.59607767844501746701e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(72,15,'n',9.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(73,15,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(74,15,'kind.{"y":{"float":[0.0,1.0]}}.y',0.484151618483317,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(75,16,'x',8.76064571691290483457e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(76,16,'lr',3.12633803108412211546e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(77,16,'n',7.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(78,16,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(79,16,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.y',6.74690872562341725782e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(80,16,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.z',1.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 100}}');
INSERT INTO "trial_params" VALUES(81,17,'x',7.37250078737790692784e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(82,17,'lr',4.76392084583963648647e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(83,17,'n',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(84,17,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(85,17,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.y',6.71069115612562105965e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(86,17,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.z',39.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 100}}');
INSERT INTO "trial_params" VALUES(87,18,'x',9.36244453069252635657e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(88,18,'lr',9.26772504876109293192e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(89,18,'n',8.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(90,18,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(91,18,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.y',5.15920028759294768683e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(92,18,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.z',2.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 100}}');
INSERT INTO "trial_params" VALUES(93,19,'x',0.850309005640076,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(94,19,'lr',7.92268790366957437187e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(95,19,'n',7.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(96,19,'kind',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(97,20,'x',0.916841232602127,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(98,20,'lr',0.0680662025093138,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(99,20,'n',9.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(100,20,'kind',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(101,20,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.y',6.32150769753094698977e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 0.7, "log": false}}');
INSERT INTO "trial_params" VALUES(102,20,'kind.{"y":{"float":[0.5,0.7]},"z":{"int":[1,100],"log":true}}.z',29.0,'{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 100}}');
INSERT INTO "trial_params" VALUES(103,21,'x',5.51658165594190563751e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO "trial_params" VALUES(104,21,'lr',6.41792312176361123832e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1e-05, "high": 1.0, "log": true}}');
INSERT INTO "trial_params" VALUES(105,21,'n',8.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}');
INSERT INTO "trial_params" VALUES(106,21,'kind',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["{\"y\":{\"float\":[0.0,1.0]}}", "{\"y\":0.25}", "{\"y\":{\"float\":[0.5,0.7]},\"z\":{\"int\":[1,100],\"log\":true}}"]}}');
INSERT INTO "trial_params" VALUES(107,21,'kind.{"y":{"float":[0.0,1.0]}}.y',5.63162927681202130081e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,6,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.0002685049062958544, \"n\": 9, \"x\": 0.6497241717235571, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.006883330286490907}"');
INSERT INTO "trial_system_attributes" VALUES(2,7,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.14620272535906192, \"n\": 9, \"x\": 0.298633293864952, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.9589547746012375}"');
INSERT INTO "trial_system_attributes" VALUES(3,8,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.7148208110718816, \"n\": 9, \"x\": 0.9014208490841824, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.4627834897241872}"');
INSERT INTO "trial_system_attributes" VALUES(4,9,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 1.1930718066430607e-05, \"n\": 1, \"x\": 0.9658174884364834, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.9613587500469394}"');
INSERT INTO "trial_system_attributes" VALUES(5,10,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.01571667918119049, \"n\": 6, \"x\": 0.5858092877116114, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.6799925872191563}"');
INSERT INTO "trial_system_attributes" VALUES(6,11,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.7042270636317012, \"n\": 4, \"x\": 0.9439666495648656, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.10752561758379331}"');
INSERT INTO "trial_system_attributes" VALUES(7,12,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.011028368576242108, \"n\": 7, \"x\": 0.9847259373166504, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.5177698944326304}"');
INSERT INTO "trial_system_attributes" VALUES(8,13,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.004442447996953134, \"n\": 2, \"x\": 0.7706781970010916, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.7224431238151979}"');
INSERT INTO "trial_system_attributes" VALUES(9,14,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}\", \"lr\": 0.9754195470797472, \"n\": 1, \"x\": 0.8250428082151392, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.6644096602750325}"');
INSERT INTO "trial_system_attributes" VALUES(10,15,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.9596077678445017, \"n\": 9, \"x\": 0.744889214212147, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.484151618483317}"');
INSERT INTO "trial_system_attributes" VALUES(11,16,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}\", \"lr\": 0.3126338031084122, \"n\": 7, \"x\": 0.8760645716912905, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.22577998514230707, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.y\": 0.6746908725623417, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.z\": 1}"');
INSERT INTO "trial_system_attributes" VALUES(12,17,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}\", \"lr\": 0.47639208458396365, \"n\": 1, \"x\": 0.7372500787377907, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.5579466763522146, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.y\": 0.6710691156125621, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.z\": 39}"');
INSERT INTO "trial_system_attributes" VALUES(13,18,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}\", \"lr\": 0.9267725048761093, \"n\": 8, \"x\": 0.9362444530692526, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.20602668434383692, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.y\": 0.5159200287592948, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.z\": 2}"');
INSERT INTO "trial_system_attributes" VALUES(14,19,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":0.25}\", \"lr\": 0.07922687903669574, \"n\": 7, \"x\": 0.850309005640076, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.5399268097045976, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.y\": 0.577375787306177, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.z\": 1}"');
INSERT INTO "trial_system_attributes" VALUES(15,20,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}\", \"lr\": 0.0680662025093138, \"n\": 9, \"x\": 0.916841232602127, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.1894887742876557, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.y\": 0.6321507697530947, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.z\": 29}"');
INSERT INTO "trial_system_attributes" VALUES(16,21,'tpe:relative_params:0','"{\"kind\": \"{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}\", \"lr\": 0.6417923121763611, \"n\": 8, \"x\": 0.5516581655941906, \"kind.{\\\"y\\\":{\\\"float\\\":[0.0,1.0]}}.y\": 0.5631629276812021, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.y\": 0.5741213345139906, \"kind.{\\\"y\\\":{\\\"float\\\":[0.5,0.7]},\\\"z\\\":{\\\"int\\\":[1,100],\\\"log\\\":true}}.z\": 1}"');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'config','{"trainable": "mine:train", "x": 0.10583133857766758, "lr": 0.003216160433531581, "n": 3, "kind": {"y": 0.32158056786762523}, "seed": 5}');
INSERT INTO "trial_user_attributes" VALUES(2,1,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(3,2,'config','{"trainable": "mine:train", "x": 0.24017848484576942, "lr": 2.587118807554692e-05, "n": 5, "kind": {"y": 0.25}, "seed": 6}');
INSERT INTO "trial_user_attributes" VALUES(4,2,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(5,1,'epoch:1','{"epoch": 1, "value": -0.004934411509406766, "loss": 0.8941686614223324, "epoch_seconds": 0.08605720500008829}');
INSERT INTO "trial_user_attributes" VALUES(6,1,'epoch:2','{"epoch": 2, "value": 0.054572042131871654, "loss": 0.8941686614223324, "epoch_seconds": 0.08018884300008722}');
INSERT INTO "trial_user_attributes" VALUES(7,2,'epoch:1','{"epoch": 1, "value": 0.07306314658429708, "loss": 0.7598215151542306, "epoch_seconds": 0.08027689400023519}');
INSERT INTO "trial_user_attributes" VALUES(8,1,'epoch:3','{"epoch": 3, "value": 0.11654688786142278, "loss": 0.8941686614223324, "epoch_seconds": 0.08019071599983363}');
INSERT INTO "trial_user_attributes" VALUES(9,2,'epoch:2','{"epoch": 2, "value": 0.17537852992095176, "loss": 0.7598215151542306, "epoch_seconds": 0.08019057499996052}');
INSERT INTO "trial_user_attributes" VALUES(10,1,'epoch:4','{"epoch": 4, "value": 0.14216104575130567, "loss": 0.8941686614223324, "epoch_seconds": 0.08020098099996176}');
INSERT INTO "trial_user_attributes" VALUES(11,2,'epoch:3','{"epoch": 3, "value": 0.22738246416398597, "loss": 0.7598215151542306, "epoch_seconds": 0.0801790880000226}');
INSERT INTO "trial_user_attributes" VALUES(12,1,'epoch:5','{"epoch": 5, "value": 0.1186386658682823, "loss": 0.8941686614223324, "epoch_seconds": 0.08020165200014162}');
INSERT INTO "trial_user_attributes" VALUES(13,2,'epoch:4','{"epoch": 4, "value": 0.2210831725881064, "loss": 0.7598215151542306, "epoch_seconds": 0.08017626399987421}');
INSERT INTO "trial_user_attributes" VALUES(14,1,'epoch:6','{"epoch": 6, "value": 0.0740011792862076, "loss": 0.8941686614223324, "epoch_seconds": 0.08017966900024476}');
INSERT INTO "trial_user_attributes" VALUES(15,2,'epoch:5','{"epoch": 5, "value": 0.18766280324211335, "loss": 0.7598215151542306, "epoch_seconds": 0.08016477700039104}');
INSERT INTO "trial_user_attributes" VALUES(16,1,'epoch:7','{"epoch": 7, "value": 0.05308407739458808, "loss": 0.8941686614223324, "epoch_seconds": 0.08017057500001101}');
INSERT INTO "trial_user_attributes" VALUES(17,2,'epoch:6','{"epoch": 6, "value": 0.17403765629511808, "loss": 0.7598215151542306, "epoch_seconds": 0.08016699100016922}');
INSERT INTO "trial_user_attributes" VALUES(18,1,'epoch:8','{"epoch": 8, "value": 0.07737167830060762, "loss": 0.8941686614223324, "epoch_seconds": 0.08017608399995879}');
INSERT INTO "trial_user_attributes" VALUES(19,2,'epoch:7','{"epoch": 7, "value": 0.20305768004240327, "loss": 0.7598215151542306, "epoch_seconds": 0.08015302900003007}');
INSERT INTO "trial_user_attributes" VALUES(20,1,'epoch:9','{"epoch": 9, "value": 0.12587155027895103, "loss": 0.8941686614223324, "epoch_seconds": 0.08020294299967645}');
INSERT INTO "trial_user_attributes" VALUES(21,2,'epoch:8','{"epoch": 8, "value": 0.2546242664293644, "loss": 0.7598215151542306, "epoch_seconds": 0.08014539799978593}');
INSERT INTO "trial_user_attributes" VALUES(22,1,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(23,1,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(24,3,'config','{"trainable": "mine:train", "x": 0.37176778830368706, "lr": 0.002219132543131337, "n": 1, "kind": {"y": 0.25}, "seed": 7}');
INSERT INTO "trial_user_attributes" VALUES(25,3,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(26,2,'epoch:9','{"epoch": 9, "value": 0.28552437308718404, "loss": 0.7598215151542306, "epoch_seconds": 0.08018278300005477}');
INSERT INTO "trial_user_attributes" VALUES(27,2,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(28,2,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(29,4,'config','{"trainable": "mine:train", "x": 0.5381909312191296, "lr": 8.389111045530201e-05, "n": 9, "kind": {"y": 0.3663473996268082}, "seed": 8}');
INSERT INTO "trial_user_attributes" VALUES(30,4,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(31,3,'epoch:1','{"epoch": 1, "value": 0.1675675105510318, "loss": 0.6282322116963129, "epoch_seconds": 0.08278494700016381}');
INSERT INTO "trial_user_attributes" VALUES(32,4,'epoch:1','{"epoch": 1, "value": 0.2821844404126007, "loss": 0.46180906878087036, "epoch_seconds": 0.08023546100002932}');
INSERT INTO "trial_user_attributes" VALUES(33,3,'epoch:2','{"epoch": 2, "value": 0.27008619744171103, "loss": 0.6282322116963129, "epoch_seconds": 0.08014300300010291}');
INSERT INTO "trial_user_attributes" VALUES(34,4,'epoch:2','{"epoch": 2, "value": 0.3854111561700954, "loss": 0.46180906878087036, "epoch_seconds": 0.08021985899995343}');
INSERT INTO "trial_user_attributes" VALUES(35,3,'epoch:3','{"epoch": 3, "value": 0.2959965342261805, "loss": 0.6282322116963129, "epoch_seconds": 0.08013181800015445}');
INSERT INTO "trial_user_attributes" VALUES(36,4,'epoch:3','{"epoch": 3, "value": 0.412577044953602, "loss": 0.46180906878087036, "epoch_seconds": 0.08019060499964326}');
INSERT INTO "trial_user_attributes" VALUES(37,3,'epoch:4','{"epoch": 4, "value": 0.2831139306760209, "loss": 0.6282322116963129, "epoch_seconds": 0.08013751599992247}');
INSERT INTO "trial_user_attributes" VALUES(38,4,'epoch:4','{"epoch": 4, "value": 0.43233280458695333, "loss": 0.46180906878087036, "epoch_seconds": 0.08021435099999508}');
INSERT INTO "trial_user_attributes" VALUES(39,3,'epoch:5','{"epoch": 5, "value": 0.28258424137186394, "loss": 0.6282322116963129, "epoch_seconds": 0.08015084599992406}');
INSERT INTO "trial_user_attributes" VALUES(40,4,'epoch:5','{"epoch": 5, "value": 0.4796572221417976, "loss": 0.46180906878087036, "epoch_seconds": 0.08023038500004986}');
INSERT INTO "trial_user_attributes" VALUES(41,3,'epoch:6','{"epoch": 6, "value": 0.3199542975705933, "loss": 0.6282322116963129, "epoch_seconds": 0.08014795100007177}');
INSERT INTO "trial_user_attributes" VALUES(42,3,'epoch:7','{"epoch": 7, "value": 0.3768450997155506, "loss": 0.6282322116963129, "epoch_seconds": 0.08012522800027}');
INSERT INTO "trial_user_attributes" VALUES(43,4,'epoch:6','{"epoch": 6, "value": 0.5412036523488983, "loss": 0.46180906878087036, "epoch_seconds": 0.08017876699977933}');
INSERT INTO "trial_user_attributes" VALUES(44,3,'epoch:8','{"epoch": 8, "value": 0.4111400762259768, "loss": 0.6282322116963129, "epoch_seconds": 0.08018675899984373}');
INSERT INTO "trial_user_attributes" VALUES(45,4,'epoch:7','{"epoch": 7, "value": 0.5775070716138858, "loss": 0.46180906878087036, "epoch_seconds": 0.0801637459999256}');
INSERT INTO "trial_user_attributes" VALUES(46,3,'epoch:9','{"epoch": 9, "value": 0.39780510262482016, "loss": 0.6282322116963129, "epoch_seconds": 0.08023227800003951}');
INSERT INTO "trial_user_attributes" VALUES(47,3,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(48,3,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(49,5,'config','{"trainable": "mine:train", "x": 0.7300748017907782, "lr": 4.3659615310349286e-05, "n": 1, "kind": {"y": 0.7109426137804657}, "seed": 9}');
INSERT INTO "trial_user_attributes" VALUES(50,5,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(51,4,'epoch:8','{"epoch": 8, "value": 0.5649077803207884, "loss": 0.46180906878087036, "epoch_seconds": 0.08103101999995488}');
INSERT INTO "trial_user_attributes" VALUES(52,5,'epoch:1','{"epoch": 1, "value": 0.45708481100495707, "loss": 0.2699251982092218, "epoch_seconds": 0.08025014499980898}');
INSERT INTO "trial_user_attributes" VALUES(53,4,'epoch:9','{"epoch": 9, "value": 0.5205051098653085, "loss": 0.46180906878087036, "epoch_seconds": 0.08015619399975549}');
INSERT INTO "trial_user_attributes" VALUES(54,4,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(55,4,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(56,6,'config','{"trainable": "mine:train", "x": 0.6497241717235571, "lr": 0.0002685049062958544, "n": 9, "kind": {"y": 0.006883330286490907}, "seed": 10}');
INSERT INTO "trial_user_attributes" VALUES(57,6,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(58,5,'epoch:2','{"epoch": 2, "value": 0.5848056234712391, "loss": 0.2699251982092218, "epoch_seconds": 0.08026610800015987}');
INSERT INTO "trial_user_attributes" VALUES(59,6,'epoch:1','{"epoch": 1, "value": 0.09422296446401437, "loss": 0.3502758282764429, "epoch_seconds": 0.08022633800010226}');
INSERT INTO "trial_user_attributes" VALUES(60,5,'epoch:3','{"epoch": 3, "value": 0.632594788836514, "loss": 0.2699251982092218, "epoch_seconds": 0.08030574700023863}');
INSERT INTO "trial_user_attributes" VALUES(61,6,'epoch:2','{"epoch": 2, "value": 0.1701561422476815, "loss": 0.3502758282764429, "epoch_seconds": 0.08028430600006686}');
INSERT INTO "trial_user_attributes" VALUES(62,5,'epoch:4','{"epoch": 4, "value": 0.6841521102101824, "loss": 0.2699251982092218, "epoch_seconds": 0.08028463599976021}');
INSERT INTO "trial_user_attributes" VALUES(63,6,'outcome','"PRUNED"');
INSERT INTO "trial_user_attributes" VALUES(64,6,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(65,7,'config','{"trainable": "mine:train", "x": 0.298633293864952, "lr": 0.14620272535906192, "n": 9, "kind": {"y": 0.9589547746012375}, "seed": 11}');
INSERT INTO "trial_user_attributes" VALUES(66,7,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(67,5,'epoch:5','{"epoch": 5, "value": 0.7434045790534451, "loss": 0.2699251982092218, "epoch_seconds": 0.08018159199991715}');
INSERT INTO "trial_user_attributes" VALUES(68,7,'epoch:1','{"epoch": 1, "value": 0.15491847030763722, "loss": 0.7013667061350479, "epoch_seconds": 0.08023226800014527}');
INSERT INTO "trial_user_attributes" VALUES(69,5,'epoch:6','{"epoch": 6, "value": 0.7765172693711083, "loss": 0.2699251982092218, "epoch_seconds": 0.08021564299997408}');
INSERT INTO "trial_user_attributes" VALUES(70,7,'epoch:2','{"epoch": 2, "value": 0.24239546916878651, "loss": 0.7013667061350479, "epoch_seconds": 0.08022388500012312}');
INSERT INTO "trial_user_attributes" VALUES(71,5,'epoch:7','{"epoch": 7, "value": 0.7613474102391035, "loss": 0.2699251982092218, "epoch_seconds": 0.08018562699999165}');
INSERT INTO "trial_user_attributes" VALUES(72,7,'outcome','"PRUNED"');
INSERT INTO "trial_user_attributes" VALUES(73,7,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(74,8,'config','{"trainable": "mine:train", "x": 0.9014208490841824, "lr": 0.7148208110718816, "n": 9, "kind": {"y": 0.4627834897241872}, "seed": 12}');
INSERT INTO "trial_user_attributes" VALUES(75,8,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(76,5,'epoch:8','{"epoch": 8, "value": 0.715180258935393, "loss": 0.2699251982092218, "epoch_seconds": 0.08019179700022505}');
INSERT INTO "trial_user_attributes" VALUES(77,8,'epoch:1','{"epoch": 1, "value": 0.40998666065979056, "loss": 0.09857915091581759, "epoch_seconds": 0.08021776600025987}');
INSERT INTO "trial_user_attributes" VALUES(78,5,'epoch:9','{"epoch": 9, "value": 0.6818041052352601, "loss": 0.2699251982092218, "epoch_seconds": 0.08015947900003084}');
INSERT INTO "trial_user_attributes" VALUES(79,5,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(80,5,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(81,9,'config','{"trainable": "mine:train", "x": 0.9658174884364834, "lr": 1.1930718066430607e-05, "n": 1, "kind": {"y": 0.9613587500469394}, "seed": 13}');
INSERT INTO "trial_user_attributes" VALUES(82,9,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(83,8,'epoch:2','{"epoch": 2, "value": 0.6829646818125273, "loss": 0.09857915091581759, "epoch_seconds": 0.08531003500002043}');
INSERT INTO "trial_user_attributes" VALUES(84,9,'epoch:1','{"epoch": 1, "value": 0.6844665143810922, "loss": 0.03418251156351659, "epoch_seconds": 0.08790964399986478}');
INSERT INTO "trial_user_attributes" VALUES(85,8,'epoch:3','{"epoch": 3, "value": 0.8275276873035069, "loss": 0.09857915091581759, "epoch_seconds": 0.08020188299997244}');
INSERT INTO "trial_user_attributes" VALUES(86,9,'epoch:2','{"epoch": 2, "value": 0.920691088196951, "loss": 0.03418251156351659, "epoch_seconds": 0.0802034239995919}');
INSERT INTO "trial_user_attributes" VALUES(87,8,'epoch:4','{"epoch": 4, "value": 0.8703209415423072, "loss": 0.09857915091581759, "epoch_seconds": 0.08022286300001724}');
INSERT INTO "trial_user_attributes" VALUES(88,9,'epoch:3','{"epoch": 3, "value": 0.9686985833524481, "loss": 0.03418251156351659, "epoch_seconds": 0.08020721000002595}');
INSERT INTO "trial_user_attributes" VALUES(89,8,'epoch:5','{"epoch": 5, "value": 0.8542379391193858, "loss": 0.09857915091581759, "epoch_seconds": 0.08022845200002848}');
INSERT INTO "trial_user_attributes" VALUES(90,9,'epoch:4','{"epoch": 4, "value": NaN, "loss": NaN, "epoch_seconds": 0.08018384500019238}');
INSERT INTO "trial_user_attributes" VALUES(91,9,'outcome','"DIVERGED"');
INSERT INTO "trial_user_attributes" VALUES(92,9,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(93,10,'config','{"trainable": "mine:train", "x": 0.5858092877116114, "lr": 0.01571667918119049, "n": 6, "kind": {"y": 0.6799925872191563}, "seed": 14}');
INSERT INTO "trial_user_attributes" VALUES(94,10,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(95,8,'epoch:6','{"epoch": 6, "value": 0.8364516896934722, "loss": 0.09857915091581759, "epoch_seconds": 0.08022427600008086}');
INSERT INTO "trial_user_attributes" VALUES(96,10,'epoch:1','{"epoch": 1, "value": 0.39235417225776004, "loss": 0.41419071228838855, "epoch_seconds": 0.08018869199986511}');
INSERT INTO "trial_user_attributes" VALUES(97,8,'epoch:7','{"epoch": 7, "value": 0.8551613472039665, "loss": 0.09857915091581759, "epoch_seconds": 0.08024261199989269}');
INSERT INTO "trial_user_attributes" VALUES(98,10,'epoch:2','{"epoch": 2, "value": 0.5175367063764306, "loss": 0.41419071228838855, "epoch_seconds": 0.08017967899968426}');
INSERT INTO "trial_user_attributes" VALUES(99,8,'epoch:8','{"epoch": 8, "value": 0.9044253757436067, "loss": 0.09857915091581759, "epoch_seconds": 0.08020397600012075}');
INSERT INTO "trial_user_attributes" VALUES(100,10,'epoch:3','{"epoch": 3, "value": 0.5296090977252258, "loss": 0.41419071228838855, "epoch_seconds": 0.08018166200008636}');
INSERT INTO "trial_user_attributes" VALUES(101,8,'epoch:9','{"epoch": 9, "value": 0.9447542430442345, "loss": 0.09857915091581759, "epoch_seconds": 0.08019619300011982}');
INSERT INTO "trial_user_attributes" VALUES(102,8,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(103,8,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(104,11,'config','{"trainable": "mine:train", "x": 0.9439666495648656, "lr": 0.7042270636317012, "n": 4, "kind": {"y": 0.10752561758379331}, "seed": 15}');
INSERT INTO "trial_user_attributes" VALUES(105,11,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(106,10,'epoch:4','{"epoch": 4, "value": 0.5203992749383108, "loss": 0.41419071228838855, "epoch_seconds": 0.08016882300034922}');
INSERT INTO "trial_user_attributes" VALUES(107,11,'epoch:1','{"epoch": 1, "value": 0.28241631710016, "loss": 0.056033350435134355, "epoch_seconds": 0.08020426500024769}');
INSERT INTO "trial_user_attributes" VALUES(108,10,'epoch:5','{"epoch": 5, "value": 0.5410674790542165, "loss": 0.41419071228838855, "epoch_seconds": 0.08017651399995884}');
INSERT INTO "trial_user_attributes" VALUES(109,11,'epoch:2','{"epoch": 2, "value": 0.4192506562116668, "loss": 0.056033350435134355, "epoch_seconds": 0.0801940100000138}');
INSERT INTO "trial_user_attributes" VALUES(110,10,'epoch:6','{"epoch": 6, "value": 0.5903198222538697, "loss": 0.41419071228838855, "epoch_seconds": 0.08017798699984269}');
INSERT INTO "trial_user_attributes" VALUES(111,11,'outcome','"PRUNED"');
INSERT INTO "trial_user_attributes" VALUES(112,11,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(113,12,'config','{"trainable": "mine:train", "x": 0.9847259373166504, "lr": 0.011028368576242108, "n": 7, "kind": {"y": 0.5177698944326304}, "seed": 16}');
INSERT INTO "trial_user_attributes" VALUES(114,12,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(115,10,'outcome','"PRUNED"');
INSERT INTO "trial_user_attributes" VALUES(116,10,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(117,13,'config','{"trainable": "mine:train", "x": 0.7706781970010916, "lr": 0.004442447996953134, "n": 2, "kind": {"y": 0.7224431238151979}, "seed": 17}');
INSERT INTO "trial_user_attributes" VALUES(118,13,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(119,12,'epoch:1','{"epoch": 1, "value": 0.48994307840895834, "loss": 0.015274062683349632, "epoch_seconds": 0.0801858979998542}');
INSERT INTO "trial_user_attributes" VALUES(120,13,'epoch:1','{"epoch": 1, "value": 0.4162278269537649, "loss": 0.22932180299890836, "epoch_seconds": 0.08018373499999143}');
INSERT INTO "trial_user_attributes" VALUES(121,12,'epoch:2','{"epoch": 2, "value": 0.702304222365721, "loss": 0.015274062683349632, "epoch_seconds": 0.0801784380000754}');
INSERT INTO "trial_user_attributes" VALUES(122,13,'epoch:2','{"epoch": 2, "value": 0.6113283109685612, "loss": 0.22932180299890836, "epoch_seconds": 0.08018678999997064}');
INSERT INTO "trial_user_attributes" VALUES(123,12,'epoch:3','{"epoch": 3, "value": 0.8328506131133862, "loss": 0.015274062683349632, "epoch_seconds": 0.08016836200022226}');
INSERT INTO "trial_user_attributes" VALUES(124,13,'epoch:3','{"epoch": 3, "value": 0.7297506736420077, "loss": 0.22932180299890836, "epoch_seconds": 0.08018509800012907}');
INSERT INTO "trial_user_attributes" VALUES(125,12,'epoch:4','{"epoch": 4, "value": NaN, "loss": NaN, "epoch_seconds": 0.08027467500005514}');
INSERT INTO "trial_user_attributes" VALUES(126,12,'outcome','"DIVERGED"');
INSERT INTO "trial_user_attributes" VALUES(127,12,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(128,14,'config','{"trainable": "mine:train", "x": 0.8250428082151392, "lr": 0.9754195470797472, "n": 1, "kind": {"y": 0.6951144887353292, "z": 2}, "seed": 18}');
INSERT INTO "trial_user_attributes" VALUES(129,14,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(130,13,'epoch:4','{"epoch": 4, "value": 0.79707570311534, "loss": 0.22932180299890836, "epoch_seconds": 0.08371539499967184}');
INSERT INTO "trial_user_attributes" VALUES(131,14,'epoch:1','{"epoch": 1, "value": 0.45041327932709035, "loss": 0.1749571917848608, "epoch_seconds": 0.08022594799967919}');
INSERT INTO "trial_user_attributes" VALUES(132,13,'epoch:5','{"epoch": 5, "value": 0.8048583037478789, "loss": 0.22932180299890836, "epoch_seconds": 0.08014067000021896}');
INSERT INTO "trial_user_attributes" VALUES(133,14,'epoch:2','{"epoch": 2, "value": 0.6948189193286243, "loss": 0.1749571917848608, "epoch_seconds": 0.08356344799994986}');
INSERT INTO "trial_user_attributes" VALUES(134,13,'epoch:6','{"epoch": 6, "value": 0.7671933365523351, "loss": 0.22932180299890836, "epoch_seconds": 0.08015641400015738}');
INSERT INTO "trial_user_attributes" VALUES(135,14,'epoch:3','{"epoch": 3, "value": 0.8144239940920919, "loss": 0.1749571917848608, "epoch_seconds": 0.0801645470000949}');
INSERT INTO "trial_user_attributes" VALUES(136,13,'epoch:7','{"epoch": 7, "value": 0.7271577227709106, "loss": 0.22932180299890836, "epoch_seconds": 0.08019292900007713}');
INSERT INTO "trial_user_attributes" VALUES(137,14,'epoch:4','{"epoch": 4, "value": 0.8438874757040066, "loss": 0.1749571917848608, "epoch_seconds": 0.08017567299975781}');
INSERT INTO "trial_user_attributes" VALUES(138,13,'epoch:8','{"epoch": 8, "value": 0.7249184645689766, "loss": 0.22932180299890836, "epoch_seconds": 0.08026481599972612}');
INSERT INTO "trial_user_attributes" VALUES(139,14,'epoch:5','{"epoch": 5, "value": 0.8152081998575226, "loss": 0.1749571917848608, "epoch_seconds": 0.08021163700004763}');
INSERT INTO "trial_user_attributes" VALUES(140,13,'epoch:9','{"epoch": 9, "value": 0.7638694633942811, "loss": 0.22932180299890836, "epoch_seconds": 0.08025979900003222}');
INSERT INTO "trial_user_attributes" VALUES(141,13,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(142,13,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(143,15,'config','{"trainable": "mine:train", "x": 0.744889214212147, "lr": 0.9596077678445017, "n": 9, "kind": {"y": 0.484151618483317}, "seed": 19}');
INSERT INTO "trial_user_attributes" VALUES(144,15,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(145,14,'epoch:6','{"epoch": 6, "value": 0.7788945672572009, "loss": 0.1749571917848608, "epoch_seconds": 0.0837245279999479}');
INSERT INTO "trial_user_attributes" VALUES(146,15,'epoch:1','{"epoch": 1, "value": 0.37657300458465254, "loss": 0.25511078578785296, "epoch_seconds": 0.08015583299993523}');
INSERT INTO "trial_user_attributes" VALUES(147,14,'epoch:7','{"epoch": 7, "value": 0.7781961520576534, "loss": 0.1749571917848608, "epoch_seconds": 0.0801477810000506}');
INSERT INTO "trial_user_attributes" VALUES(148,15,'epoch:2','{"epoch": 2, "value": 0.6009335047871947, "loss": 0.25511078578785296, "epoch_seconds": 0.08014921399990271}');
INSERT INTO "trial_user_attributes" VALUES(149,14,'epoch:8','{"epoch": 8, "value": 0.8177847043635232, "loss": 0.1749571917848608, "epoch_seconds": 0.08022969400008151}');
INSERT INTO "trial_user_attributes" VALUES(150,15,'epoch:3','{"epoch": 3, "value": 0.6910638703043055, "loss": 0.25511078578785296, "epoch_seconds": 0.08022232300027099}');
INSERT INTO "trial_user_attributes" VALUES(151,14,'epoch:9','{"epoch": 9, "value": 0.8629090408550518, "loss": 0.1749571917848608, "epoch_seconds": 0.08024276300011479}');
INSERT INTO "trial_user_attributes" VALUES(152,14,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(153,14,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(154,16,'config','{"trainable": "mine:train", "x": 0.8760645716912905, "lr": 0.3126338031084122, "n": 7, "kind": {"y": 0.6746908725623417, "z": 1}, "seed": 20}');
INSERT INTO "trial_user_attributes" VALUES(155,16,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(156,15,'epoch:4','{"epoch": 4, "value": 0.6961853955428895, "loss": 0.25511078578785296, "epoch_seconds": 0.08256515900029626}');
INSERT INTO "trial_user_attributes" VALUES(157,16,'epoch:1','{"epoch": 1, "value": 0.5564008773163122, "loss": 0.12393542830870952, "epoch_seconds": 0.08019024500026717}');
INSERT INTO "trial_user_attributes" VALUES(158,15,'epoch:5','{"epoch": 5, "value": 0.6782295195905323, "loss": 0.25511078578785296, "epoch_seconds": 0.08387450200007152}');
INSERT INTO "trial_user_attributes" VALUES(159,16,'epoch:2','{"epoch": 2, "value": 0.7655660077883485, "loss": 0.12393542830870952, "epoch_seconds": 0.08016199299981963}');
INSERT INTO "trial_user_attributes" VALUES(160,15,'epoch:6','{"epoch": 6, "value": 0.6873259498444653, "loss": 0.25511078578785296, "epoch_seconds": 0.08014535800020894}');
INSERT INTO "trial_user_attributes" VALUES(161,16,'epoch:3','{"epoch": 3, "value": 0.8121012207608916, "loss": 0.12393542830870952, "epoch_seconds": 0.08017890800010719}');
INSERT INTO "trial_user_attributes" VALUES(162,15,'outcome','"PRUNED"');
INSERT INTO "trial_user_attributes" VALUES(163,15,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(164,17,'config','{"trainable": "mine:train", "x": 0.7372500787377907, "lr": 0.47639208458396365, "n": 1, "kind": {"y": 0.6710691156125621, "z": 39}, "seed": 21}');
INSERT INTO "trial_user_attributes" VALUES(165,17,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(166,16,'epoch:4','{"epoch": 4, "value": 0.8072659617863717, "loss": 0.12393542830870952, "epoch_seconds": 0.08017332000008537}');
INSERT INTO "trial_user_attributes" VALUES(167,17,'epoch:1','{"epoch": 1, "value": 0.47054084148017855, "loss": 0.2627499212622093, "epoch_seconds": 0.08017739600018103}');
INSERT INTO "trial_user_attributes" VALUES(168,16,'epoch:5','{"epoch": 5, "value": 0.8197405696429811, "loss": 0.12393542830870952, "epoch_seconds": 0.08019375999992917}');
INSERT INTO "trial_user_attributes" VALUES(169,17,'epoch:2','{"epoch": 2, "value": 0.6076814808076247, "loss": 0.2627499212622093, "epoch_seconds": 0.0801759440000751}');
INSERT INTO "trial_user_attributes" VALUES(170,16,'epoch:6','{"epoch": 6, "value": 0.8648412846562717, "loss": 0.12393542830870952, "epoch_seconds": 0.0801652580003065}');
INSERT INTO "trial_user_attributes" VALUES(171,17,'epoch:3','{"epoch": 3, "value": 0.640899312810141, "loss": 0.2627499212622093, "epoch_seconds": 0.08018926300019302}');
INSERT INTO "trial_user_attributes" VALUES(172,16,'epoch:7','{"epoch": 7, "value": 0.9122719594088581, "loss": 0.12393542830870952, "epoch_seconds": 0.08016053000028478}');
INSERT INTO "trial_user_attributes" VALUES(173,17,'epoch:4','{"epoch": 4, "value": 0.669355317328409, "loss": 0.2627499212622093, "epoch_seconds": 0.08019533200013029}');
INSERT INTO "trial_user_attributes" VALUES(174,16,'epoch:8','{"epoch": 8, "value": 0.9230825225681812, "loss": 0.12393542830870952, "epoch_seconds": 0.08016920299996855}');
INSERT INTO "trial_user_attributes" VALUES(175,17,'epoch:5','{"epoch": 5, "value": 0.7211676730370473, "loss": 0.2627499212622093, "epoch_seconds": 0.08018938300028822}');
INSERT INTO "trial_user_attributes" VALUES(176,16,'epoch:9','{"epoch": 9, "value": 0.8892759158003364, "loss": 0.12393542830870952, "epoch_seconds": 0.08020214300040607}');
INSERT INTO "trial_user_attributes" VALUES(177,16,'outcome','"COMPLETED"');
INSERT INTO "trial_user_attributes" VALUES(178,16,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(179,18,'config','{"trainable": "mine:train", "x": 0.9362444530692526, "lr": 0.9267725048761093, "n": 8, "kind": {"y": 0.5159200287592948, "z": 2}, "seed": 22}');
INSERT INTO "trial_user_attributes" VALUES(180,18,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(181,17,'epoch:6','{"epoch": 6, "value": 0.7714169381142942, "loss": 0.2627499212622093, "epoch_seconds": 0.08017721600026562}');
INSERT INTO "trial_user_attributes" VALUES(182,18,'epoch:1','{"epoch": 1, "value": 0.4782196689713749, "loss": 0.06375554693074736, "epoch_seconds": 0.08019478100004562}');
INSERT INTO "trial_user_attributes" VALUES(183,17,'outcome','"PRUNED"');
INSERT INTO "trial_user_attributes" VALUES(184,17,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(185,19,'config','{"trainable": "mine:train", "x": 0.850309005640076, "lr": 0.07922687903669574, "n": 7, "kind": {"y": 0.25}, "seed": 23}');
INSERT INTO "trial_user_attributes" VALUES(186,19,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(187,18,'epoch:2','{"epoch": 2, "value": 0.6702936706989999, "loss": 0.06375554693074736, "epoch_seconds": 0.08017169699996884}');
INSERT INTO "trial_user_attributes" VALUES(188,19,'epoch:1','{"epoch": 1, "value": 0.2658170258576878, "loss": 0.14969099435992395, "epoch_seconds": 0.08016819199974634}');
INSERT INTO "trial_user_attributes" VALUES(189,18,'epoch:3','{"epoch": 3, "value": 0.7816633348768228, "loss": 0.06375554693074736, "epoch_seconds": 0.08014794200016695}');
INSERT INTO "trial_user_attributes" VALUES(190,19,'epoch:2','{"epoch": 2, "value": 0.45932024444229197, "loss": 0.14969099435992395, "epoch_seconds": 0.08021657400013282}');
INSERT INTO "trial_user_attributes" VALUES(191,18,'epoch:4','{"epoch": 4, "value": NaN, "loss": NaN, "epoch_seconds": 0.08014857299986033}');
INSERT INTO "trial_user_attributes" VALUES(192,18,'outcome','"DIVERGED"');
INSERT INTO "trial_user_attributes" VALUES(193,18,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(194,20,'config','{"trainable": "mine:train", "x": 0.916841232602127, "lr": 0.0680662025093138, "n": 9, "kind": {"y": 0.6321507697530947, "z": 29}, "seed": 24}');
INSERT INTO "trial_user_attributes" VALUES(195,20,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(196,19,'outcome','"PRUNED"');
INSERT INTO "trial_user_attributes" VALUES(197,19,'facts','{"threads": 1}');
INSERT INTO "trial_user_attributes" VALUES(198,21,'config','{"trainable": "mine:train", "x": 0.5516581655941906, "lr": 0.6417923121763611, "n": 8, "kind": {"y": 0.5631629276812021}, "seed": 25}');
INSERT INTO "trial_user_attributes" VALUES(199,21,'contents','{"sources": "ce4be337a8314c45d969fc02b6f2aa2c"}');
INSERT INTO "trial_user_attributes" VALUES(200,20,'epoch:1','{"epoch": 1, "value": 0.472633277209442, "loss": 0.08315876739787298, "epoch_seconds": 0.08022649899976386}');
INSERT INTO "trial_user_attributes" VALUES(201,21,'epoch:1','{"epoch": 1, "value": 0.28786329577269987, "loss": 0.44834183440580944, "epoch_seconds": 0.0802112669998678}');
INSERT INTO "trial_user_attributes" VALUES(202,20,'epoch:2','{"epoch": 2, "value": 0.7366446532980481, "loss": 0.08315876739787298, "epoch_seconds": 0.08017982899991694}');
INSERT INTO "trial_user_attributes" VALUES(203,21,'epoch:2','{"epoch": 2, "value": 0.4698927217823099, "loss": 0.44834183440580944, "epoch_seconds": 0.08018271399987498}');
INSERT INTO "trial_user_attributes" VALUES(204,20,'epoch:3','{"epoch": 3, "value": 0.8794427742977721, "loss": 0.08315876739787298, "epoch_seconds": 0.08016984400001093}');
INSERT INTO "trial_user_attributes" VALUES(206,21,'outcome','"INTERRUPTED"');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,1.42161045751305670226e-01,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,2.85524373087184035746e-01,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,4.11140076225976813795e-01,'FINITE');
INSERT INTO "trial_values" VALUES(4,4,0,5.77507071613885814009e-01,'FINITE');
INSERT INTO "trial_values" VALUES(5,6,0,1.70156142247681496648e-01,'FINITE');
INSERT INTO "trial_values" VALUES(6,7,0,2.42395469168786514835e-01,'FINITE');
INSERT INTO "trial_values" VALUES(7,5,0,7.76517269371108320719e-01,'FINITE');
INSERT INTO "trial_values" VALUES(8,8,0,9.44754243044234498505e-01,'FINITE');
INSERT INTO "trial_values" VALUES(9,11,0,4.19250656211666794526e-01,'FINITE');
INSERT INTO "trial_values" VALUES(10,10,0,5.90319822253869697092e-01,'FINITE');
INSERT INTO "trial_values" VALUES(11,13,0,8.04858303747878922607e-01,'FINITE');
INSERT INTO "trial_values" VALUES(12,14,0,8.62909040855051823193e-01,'FINITE');
INSERT INTO "trial_values" VALUES(13,15,0,6.96185395542889495779e-01,'FINITE');
INSERT INTO "trial_values" VALUES(14,16,0,9.23082522568181240707e-01,'FINITE');
INSERT INTO "trial_values" VALUES(15,17,0,7.71416938114294237216e-01,'FINITE');
INSERT INTO "trial_values" VALUES(16,19,0,4.59320244442291969466e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-26 17:54:03.013824','2026-11-26 17:54:04.227514');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-26 17:54:03.043002','2026-11-26 17:54:04.336048');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-26 17:54:04.264952','2026-11-26 17:54:05.125693');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-26 17:54:04.355025','2026-11-26 17:54:05.241630');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-26 17:54:05.135356','2026-11-26 17:54:06.190170');
INSERT INTO "trials" VALUES(6,5,1,'PRUNED','2026-11-26 17:54:05.250884','2026-11-26 17:54:05.528191');
INSERT INTO "trials" VALUES(7,6,1,'PRUNED','2026-11-26 17:54:05.538047','2026-11-26 17:54:05.834686');
INSERT INTO "trials" VALUES(8,7,1,'COMPLETE','2026-11-26 17:54:05.853520','2026-11-26 17:54:07.074248');
INSERT INTO "trials" VALUES(9,8,1,'PRUNED','2026-11-26 17:54:06.216386','2026-11-26 17:54:06.690689');
INSERT INTO "trials" VALUES(10,9,1,'PRUNED','2026-11-26 17:54:06.713127','2026-11-26 17:54:07.586634');
INSERT INTO "trials" VALUES(11,10,1,'PRUNED','2026-11-26 17:54:07.093123','2026-11-26 17:54:07.462692');
INSERT INTO "trials" VALUES(12,11,1,'PRUNED','2026-11-26 17:54:07.483568','2026-11-26 17:54:07.986289');
INSERT INTO "trials" VALUES(13,12,1,'COMPLETE','2026-11-26 17:54:07.613544','2026-11-26 17:54:08.630367');
INSERT INTO "trials" VALUES(14,13,1,'COMPLETE','2026-11-26 17:54:08.005604','2026-11-26 17:54:09.038949');
INSERT INTO "trials" VALUES(15,14,1,'PRUNED','2026-11-26 17:54:08.645166','2026-11-26 17:54:09.493637');
INSERT INTO "trials" VALUES(16,15,1,'COMPLETE','2026-11-26 17:54:09.073513','2026-11-26 17:54:10.096812');
INSERT INTO "trials" VALUES(17,16,1,'PRUNED','2026-11-26 17:54:09.511545','2026-11-26 17:54:10.258534');
INSERT INTO "trials" VALUES(18,17,1,'PRUNED','2026-11-26 17:54:10.108965','2026-11-26 17:54:10.636306');
INSERT INTO "trials" VALUES(19,18,1,'PRUNED','2026-11-26 17:54:10.280879','2026-11-26 17:54:10.769463');
INSERT INTO "trials" VALUES(20,19,1,'RUNNING','2026-11-26 17:54:10.657683',NULL);
INSERT INTO "trials" VALUES(21,20,1,'WAITING','2026-11-26 17:54:10.777412',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;