"""Malformed study files, each with the line, the key path and the sentence of its message."""

from __future__ import annotations


def _optimizer(knob: str, value: str) -> str:
    return f"trial:\n  optimizer:\n    name: adam\n    {knob}: {value}\n"


def _trial(key: str, value: str) -> str:
    return f"name: x\ntrial:\n  {key}: {value}\n"


def _mlp(knob: str, value: str) -> str:
    return f"trial:\n  model:\n    architecture: mlp\n    {knob}: {value}\n"


def _training(key: str, value: str) -> str:
    return f"trial:\n  training:\n    max_epochs: 5\n    {key}: {value}\n"


# (file, where the first and only line of the message begins, what it says)
MALFORMED = [
    # names and keys that do not exist
    ("name: x\ntrail: {}\n", "2: trail", "unknown key 'trail' (did you mean 'trial'?)"),
    (_trial("optimiser", "adam"), "3: trial.optimiser", "(did you mean 'optimizer'?)"),
    (_trial("optimizer", "adm"), "3: trial.optimizer", "unknown optimizer 'adm' (did you mean 'adam'?)"),
    (_trial("schedule", "{name: cosin}"), "3: trial.schedule.name", "unknown schedule 'cosin' (did you mean 'cosine'"),
    (_trial("model", "{architecture: mpl}"), "3: trial.model.architecture", "unknown model 'mpl' (did you mean 'mlp'"),
    (_trial("loss", "crossentropy"), "3: trial.loss", "unknown loss 'crossentropy' (did you mean 'categorical_cross"),
    (_trial("data", "{dataset: fashion}"), "3: trial.data.dataset", "unknown dataset 'fashion' (did you mean"),
    (_optimizer("lerning_rate", "0.1"), "4: trial.optimizer.lerning_rate", "(did you mean 'learning_rate'?)"),
    (_mlp("activation", "gelu"), "4: trial.model.activation", "unknown activation 'gelu' (did you mean 'relu'?)"),
    ("search:\n  sampler: tp\n", "2: search.sampler.name", "unknown sampler 'tp' (did you mean 'tpe'?)"),
    (
        "search:\n  pruner: {name: asha, reduction: 3}\n",
        "2: search.pruner.reduction",
        "(did you mean 'reduction_factor'?)",
    ),
    ("objective:\n  metric: val_acc\n", "2: objective.metric", "(did you mean 'val_accuracy'?)"),
    (
        "trial:\n  optimizer:\n    choice:\n      - adam\n      - {name: sgd, momentun: 0.9}\n",
        "5: trial.optimizer.choice[1].momentun",
        "unknown key 'momentun' (did you mean 'momentum'?)",
    ),
    (
        "trial:\n  optimizer:\n    name: {choice: [adam, sdg]}\n",
        "3: trial.optimizer.name.choice[1]",
        "unknown optimizer 'sdg' (did you mean 'sgd'?)",
    ),
    # wrong types
    ("- trial\n", "1", "a study file must be a mapping with the key 'trial'"),
    (
        "trial: {optimizer: {name: adam, learning_rate: 0.1, beta_1: 0.9, beta_2: 0.9}, "
        "schedule: constant, batch_size: 32, seed: 1}\n",
        "1: trial",
        "every trial would be the same",
    ),
    ("name: x\ntrial: 3\n", "2: trial", "must be a mapping of keys to values, but got 3"),
    ("name: x\ntrial: {float: [0, 1]}\n", "2: trial", "a distribution must stand inside of `trial`"),
    ("name: x\ntrial: {choice: [{optimizer: adam}]}\n", "2: trial", "a distribution must stand inside of `trial`"),
    (_trial("optimizer", "3"), "3: trial.optimizer", "must be a name or a mapping of keys to values, but got 3"),
    (_trial("optimizer", "{learning_rate: 0.1}"), "3: trial.optimizer", "the key 'name' is missing"),
    (_trial("model", "{units: [16]}"), "3: trial.model", "the key 'architecture' is missing"),
    (_trial("batch_size", '"64"'), "3: trial.batch_size", "must be a whole number, but got '64'"),
    (
        _optimizer("learning_rate", "1e-3..1e-2"),
        "4: trial.optimizer.learning_rate",
        "must be a number, but got '1e-3..1e-2'; a range is {float: [0.001, 0.01]}",
    ),
    (
        _optimizer("learning_rate", "{range: [0.001, 0.01]}"),
        "4: trial.optimizer.learning_rate",
        "must be a number, but got {range: [0.001, 0.01]}; a range is {float: [0.001, 0.01]}",
    ),
    (
        _optimizer("learning_rate", "{float: [0.001, 0.01, log]}"),
        "4: trial.optimizer.learning_rate.float",
        "but got [0.001, 0.01, log]; write {float: [0.001, 0.01], log: true}",
    ),
    (
        _optimizer("learning_rate", "{float: ['0.1', '0.2']}"),
        "4: trial.optimizer.learning_rate.float",
        "but got ['0.1', '0.2']; write {float: [0.1, 0.2]}",
    ),
    (
        "trial:\n  optimizer:\n    name: [adam, sgd]\n",
        "3: trial.optimizer.name",
        "must be a word, but got [adam, sgd]; {choice: [adam, sgd]} tries each of these",
    ),
    ("trial:\n  training: {early_stopping: true}\n", "2: trial.training.early_stopping", "but got true"),
    (_trial("batch_size", "[32, 64]"), "3: trial.batch_size", "must be a whole number, but got [32, 64]"),
    (_optimizer("learning_rate", "fast"), "4: trial.optimizer.learning_rate", "must be a number, but got 'fast'"),
    (_optimizer("learning_rate", "-1"), "4: trial.optimizer.learning_rate", "must be > 0, but got -1"),
    (_optimizer("learning_rate", ".inf"), "4: trial.optimizer.learning_rate", "must be a finite number"),
    (_optimizer("amsgrad", "yes"), "4: trial.optimizer.amsgrad", "must be true or false, but got 'yes'"),
    (_optimizer("amsgrad", "1"), "4: trial.optimizer.amsgrad", "must be true or false, but got 1"),
    (_mlp("units", "16"), "4: trial.model.units", "must be a list, but got 16"),
    (_mlp("units", "[16, 0]"), "4: trial.model.units[1]", "must be >= 1, but got 0"),
    (_mlp("units", "{int: [1, 3]}"), "4: trial.model.units", "must be a list, but got 1"),
    ("trial:\n  training:\n    max_epochs: 3.0\n", "3: trial.training.max_epochs", "must be a whole number"),
    ("trial:\n  training:\n    early_stopping: 3\n", "3: trial.training.early_stopping", "must be a mapping"),
    # ranges
    (_optimizer("learning_rate", "{float: 3}"), "4: trial.optimizer.learning_rate.float", "must be two numbers"),
    (_optimizer("learning_rate", "{float: [1]}"), "4: trial.optimizer.learning_rate.float", "must be two numbers"),
    (_optimizer("learning_rate", "{float: [a, 1]}"), "4: trial.optimizer.learning_rate.float", "but got [a, 1]"),
    (_optimizer("learning_rate", "{float: []}"), "4: trial.optimizer.learning_rate.float", "but got []"),
    (
        _optimizer("learning_rate", "{float: [1, 0.1]}"),
        "4: trial.optimizer.learning_rate.float",
        "the range is [1, 0.1], but low must be less than high; write [0.1, 1]",
    ),
    (
        _optimizer("learning_rate", "\n      float: [0.1, 0.1]"),
        "5: trial.optimizer.learning_rate.float",
        "the range is [0.1, 0.1], but low must be less than high; write the value 0.1 itself",
    ),
    (_optimizer("learning_rate", "{float: [1, .inf]}"), "4: trial.optimizer.learning_rate.float", "must be finite"),
    (_optimizer("learning_rate", "{float: [.nan, 1]}"), "4: trial.optimizer.learning_rate.float", "must be finite"),
    (
        _optimizer("learning_rate", f"{{float: [1, 1{'0' * 400}]}}"),
        "4: trial.optimizer.learning_rate.float",
        "must be finite",
    ),
    (
        _optimizer("learning_rate", "{float: [0, 1], log: true}"),
        "4: trial.optimizer.learning_rate.float",
        "the range begins at 0, but must begin above 0 with log: true",
    ),
    (
        _optimizer("learning_rate", "{float: [0.1, 1], log: 1}"),
        "4: trial.optimizer.learning_rate.log",
        "must be true or false, but got 1",
    ),
    (
        _optimizer("learning_rate", "{float: [0.1, 1], lgo: true}"),
        "4: trial.optimizer.learning_rate.lgo",
        "unknown key 'lgo' (did you mean 'log'?)",
    ),
    (
        _optimizer("learning_rate", "{float: [0.1, 1], int: [1, 2]}"),
        "4: trial.optimizer.learning_rate",
        "one distribution must stand here, but got float and int",
    ),
    (_optimizer("beta_1", "{one_minus: [0, 0.5]}"), "4: trial.optimizer.beta_1", "must be < 1, but got 1"),
    (_optimizer("beta_1", "{float: [0.5, 1.5]}"), "4: trial.optimizer.beta_1", "must be < 1, but got 1.5"),
    (_trial("batch_size", "{int: [1.5, 3]}"), "3: trial.batch_size.int", "must be two whole numbers"),
    (_trial("batch_size", "{int: [0, 64]}"), "3: trial.batch_size", "must be >= 1, but got 0"),
    (_trial("batch_size", "{float: [1.5, 3.5]}"), "3: trial.batch_size", "must be a whole number, but got 1.5"),
    (
        _trial("batch_size", "{int: [1, 10], step: 2}"),
        "3: trial.batch_size.int",
        "the range is [1, 10] with step 2, but must end at a step; write [1, 9]",
    ),
    (_trial("batch_size", "{int: [1, 9], step: 0}"), "3: trial.batch_size.step", "must be >= 1, but got 0"),
    (
        _trial("batch_size", "{int: [1, 9], step: 2, log: true}"),
        "3: trial.batch_size.step",
        "step is 2, but a range with log: true has no steps",
    ),
    # priors
    (
        _optimizer("learning_rate", "{float: [0.1, 1], log: true, prior: 2.5}"),
        "4: trial.optimizer.learning_rate.prior",
        "prior is 2.5, but must lie in [0.1, 1]",
    ),
    (
        _optimizer("learning_rate", "{float: [0.1, 1], prior: fast}"),
        "4: trial.optimizer.learning_rate.prior",
        "must be a number, but got 'fast'",
    ),
    (
        _optimizer("learning_rate", "{float: [1, 0.1], prior: 2}"),
        "4: trial.optimizer.learning_rate.float",
        "the range is [1, 0.1], but low must be less than high",
    ),
    (
        _optimizer("beta_1", "{one_minus: [0.01, 0.5], prior: 0.1}"),
        "4: trial.optimizer.beta_1.prior",
        "prior is 0.1, but must lie in [0.5, 0.99]; it is the value itself: write 0.9",
    ),
    (
        _trial("batch_size", "{int: [8, 64], step: 8, prior: 35}"),
        "3: trial.batch_size.prior",
        "prior is 35, but must lie in [8, 64] on a step of 8; write 32",
    ),
    (_trial("batch_size", f"{{int: [8, 64], prior: {'9' * 400}}}"), "3: trial.batch_size.prior", "but must lie in [8"),
    (
        _trial("optimizer", "{choice: [sgd, {name: adam, beta_1: 0.5}], prior: adamw}"),
        "3: trial.optimizer.prior",
        "prior is 'adamw', but must be one of the options 'sgd', 'adam'",
    ),
    (
        _trial("optimizer", "{choice: [{name: adam, beta_1: 0.5}, {name: adam, beta_1: 0.6}], prior: adam}"),
        "3: trial.optimizer.prior",
        "prior is 'adam', but this is the name of 2 options; give the options labels",
    ),
    (_trial("batch_size", "{choice: [32, 64], prior: null}"), "3: trial.batch_size.prior", "of the options 32, 64"),
    (_mlp("units", "[64, {int: [0, 9]}]"), "4: trial.model.units[1]", "must be >= 1, but got 0"),
    # NaN and infinity, wherever a value may stand
    (
        _mlp("dropout", "{choice: [0.1, .nan]}"),
        "4: trial.model.dropout.choice[1]",
        "must be a finite number, but got nan",
    ),
    (_mlp("units", "[64, .inf]"), "4: trial.model.units[1]", "must be a finite number, but got inf; write null, or a"),
    (_optimizer("epsilon", "{float: [-1e308, 1e308]}"), "4: trial.optimizer.epsilon.float", "must be finite"),
    ("search: {timeout: .inf}\n", "1: search.timeout", "must be a finite number, but got inf"),
    ("enqueue:\n  - {batch_size: .nan}\n", "2: enqueue[0].batch_size", "must be one of the study's options"),
    # the notation of other tools, or what they take
    (
        _optimizer("learning_rate", "{min: 0.0001, max: 0.1}"),
        "4: trial.optimizer.learning_rate",
        "{min: 0.0001, max: 0.1} is another tool's notation; write {float: [0.0001, 0.1]}, or {float: [0.0001, 0.1]",
    ),
    (
        _optimizer("learning_rate", "[0.001, 0.01]"),
        "4: trial.optimizer.learning_rate",
        "must be a number, but got [0.001, 0.01]; a range is {float: [0.001, 0.01]}; {choice: [0.001, 0.01]}",
    ),
    (
        _optimizer("learning_rate", "{float: {min: 0.001, max: 0.01}}"),
        "4: trial.optimizer.learning_rate.float",
        "a range must be two numbers [low, high], but got {min: 0.001, max: 0.01}; write {float: [0.001, 0.01]}",
    ),
    (_trial("batch_size", "[32, 64]"), "3: trial.batch_size", "; a range is {int: [32, 64]}; {choice: [32, 64]} tries"),
    (_trial("optimizer", "[adam, sgd]"), "3: trial.optimizer", "; {choice: [adam, sgd]} tries each of these"),
    (_mlp("activation", "[relu, tanh]"), "4: trial.model.activation", "; {choice: [relu, tanh]} tries each of these"),
    (_mlp("activation", "{values: [relu, tanh]}"), "4: trial.model.activation", "; write {choice: [relu, tanh]}"),
    # choices
    (_trial("batch_size", "{choice: []}"), "3: trial.batch_size.choice", "a list of at least one option, but got []"),
    (_trial("batch_size", "{choice: 32}"), "3: trial.batch_size.choice", "a list of at least one option, but got 32"),
    (_trial("batch_size", "{choice: [32, 0]}"), "3: trial.batch_size.choice[1]", "must be >= 1, but got 0"),
    (_trial("schedule", "{choice: [cosine, cosine]}"), "3: trial.schedule.choice[1]", "'cosine' stands twice"),
    (
        "trial:\n  schedule:\n    choice:\n      - constant\n      - {name: cosine, alpha: 2}\n",
        "5: trial.schedule.choice[1].alpha",
        "must be <= 1, but got 2",
    ),
    # impossible combinations
    (
        "trial:\n  model: {architecture: cnn, filters: [8, 8, 8, 8, 8]}\n",
        "2: trial.model.filters",
        "`filters` may have at most 4 entries",
    ),
    (
        _trial("batch_size", "{int: [32, 55001]}"),
        "3: trial.batch_size",
        "batch_size is 55,001, but there are only 55,000 training images",
    ),
    (
        "trial:\n  data: {dataset: {choice: [fashion_mnist, fashion_mnist_sample]}}\n"
        "  batch_size: {choice: [32, 2000]}\n",
        "3: trial.batch_size.choice[1]",
        "batch_size is 2,000, but there are only 1,834 training images",
    ),
    (
        "trial:\n  data: {dataset: fashion_mnist, validation: {int: [1000, 60000]}}\n  batch_size: 1\n",
        "2: trial.data.validation",
        "validation is 60,000, but fashion_mnist has only 60,000 training images",
    ),
    (
        "search:\n  pruner: {name: asha, min_resource: 4}\ntrial: {training: {max_epochs: 3}}\n",
        "2: search.pruner",
        "min_resource is 4, but max_epochs is 3",
    ),
    (
        "objective: {metric: val_loss}\ntrial:\n  loss: {choice: [categorical_crossentropy, mean_squared_error]}\n",
        "1: objective.metric",
        "val_loss cannot be compared between trials that differ in loss; use val_accuracy, or val_cross_entropy",
    ),
    (
        "objective: {metric: val_loss}\ntrial:\n  model: {architecture: mlp, l2: {float: [0, 0.1]}}\n",
        "1: objective.metric",
        "val_loss cannot be compared between trials that differ in model.l2;",
    ),
    (
        "objective: {metric: loss}\ntrial:\n  training: {class_weight: {choice: [null, balanced]}}\n",
        "1: objective.metric",
        "loss cannot be compared between trials that differ in training.class_weight;",
    ),
    ("objective:\n  metric: loss\n  direction: maximize\n", "3: objective.direction", "of loss must be minimize"),
    # how it is trained
    (_training("engine", "gpu"), "4: trial.training.engine", "unknown engine 'gpu'; available: auto, fit, graph, xla"),
    (
        "trial:\n  model: cnn\n  training:\n    engine: xla\n",
        "4: trial.training.engine",
        "`engine` xla takes minutes to compile the convolutions of cnn on a CPU; use auto or graph",
    ),
    (
        "trial:\n  model: {choice: [mlp, cnn]}\n  training: {engine: xla}\n",
        "3: trial.training.engine",
        "`engine` xla takes minutes",
    ),
    (_training("engine", "{choice: [graph, xla]}"), "4: trial.training.engine", "`engine` must be one value"),
    (
        "trial:\n  training:\n    choice:\n      - {max_epochs: 3}\n      - {engine: fit}\n",
        "2: trial.training",
        "`engine` must be one value: all trials of a study are trained by the same engine",
    ),
    (
        _training("class_weight", "[1, 2]"),
        "4: trial.training.class_weight",
        "`class_weight` must have 10 numbers, one a class, but got 2",
    ),
    (
        _training("class_weight", "even"),
        "4: trial.training.class_weight",
        "unknown class_weight 'even'; available: balanced",
    ),
    (_training("class_weight", f"[{'1, ' * 9}-1]"), "4: trial.training.class_weight[9]", "must be >= 0, but got -1"),
    (_training("class_weight", "2"), "4: trial.training.class_weight", "must be a list, but got 2"),
    (
        _training("callbacks", "[mine]"),
        "4: trial.training.callbacks[0]",
        "must be written as `module:name`, but got 'mine'",
    ),
    (
        "trial:\n  schedule:\n    name: custom\n    function: schedule.py\n",
        "4: trial.schedule.function",
        "must be written as `module:name`, but got 'schedule.py'",
    ),
    (
        "trial:\n  schedule: {choice: [cosine, custom]}\n",
        "2: trial.schedule.choice[1]",
        "the key 'function' is missing",
    ),
    ("trial:\n  loss: custom\n", "2: trial.loss", "the key 'function' is missing"),
    ("trial:\n  model: {architecture: custom}\n", "2: trial.model", "the key 'builder' is missing"),
    (
        "trial:\n  model:\n    architecture: custom\n    builder: keras:Sequential\n    arguments: [1]\n",
        "5: trial.model.arguments",
        "must be a mapping of keys to values, but got [1]",
    ),
    (
        "trial:\n  loss: {name: custom, function: 'no_such_module:loss'}\n",
        "2: trial.loss.function",
        "there is no module 'no_such_module' beside the file or in the current folder",
    ),
    ("trial:\n  schedule: {name: cosine, warmup: 1.0}\n", "2: trial.schedule.warmup", "must be < 1, but got 1.0"),
    (
        "trial:\n  model: {architecture: rnn, cell: gur}\n",
        "2: trial.model.cell",
        "unknown cell 'gur' (did you mean 'gru'?)",
    ),
    (
        _training("callbacks", "[keras.callbacks:TerminateOnNaN, '2x:Stops']"),
        "4: trial.training.callbacks[1]",
        "must be written as `module:name`, but got '2x:Stops'",
    ),
    (_training("callbacks", "mine:Stops"), "4: trial.training.callbacks", "must be a list, but got 'mine:Stops'"),
    (_training("metrics", "[f1_score, f1]"), "4: trial.training.metrics[1]", "unknown metric 'f1'; available: cross_"),
    (_training("metrics", "f1_score"), "4: trial.training.metrics", "must be a list, but got 'f1_score'"),
    (
        _optimizer("clipnorm", "1.0\n    clipvalue: 0.5"),
        "4: trial.optimizer.clipnorm",
        "only one of `clipnorm`, `global_clipnorm` and `clipvalue` may be given, but got clipnorm, clipvalue",
    ),
    (_optimizer("weight_decay", "0"), "4: trial.optimizer.weight_decay", "must be > 0, but got 0"),
    (_optimizer("ema_momentum", "1.0"), "4: trial.optimizer.ema_momentum", "must be < 1, but got 1.0"),
    (_mlp("l2", "-0.1"), "4: trial.model.l2", "must be >= 0, but got -0.1"),
    # the top level
    ("name: ../x\n", "1: name", "must be 1 to 64 letters, digits, dots, dashes or underscores"),
    ("name: ''\n", "1: name", "must be 1 to 64 letters"),
    (f"name: {'x' * 65}\n", "1: name", "must be 1 to 64 letters"),
    ("name: a b\n", "1: name", "but got 'a b'"),
    ("name: 3\n", "1: name", "must be a word or text, but got 3"),
    ("search: {timeout: 5 days}\n", "1: search.timeout", "must be seconds or a duration such as 90s, 20m or 2h"),
    ("search: {timeout: -3}\n", "1: search.timeout", "must be > 0, but got -3"),
    ("search: {timeout: 0m}\n", "1: search.timeout", "must be > 0"),
    ("search: {timeout: true}\n", "1: search.timeout", "must be a number"),
    ("search: {trials: 0}\n", "1: search.trials", "must be >= 1, but got 0"),
    ("search: {seed: -1}\n", "1: search.seed", "must be >= 0, but got -1"),
    ("search: {sampler: 3}\n", "1: search.sampler", "must be a name or a mapping"),
    ("limits: {memory: 4TB}\n", "1: limits.memory", "must be bytes or a size such as 512MB or 4GB, but got '4TB'"),
    ("limits: {memory: 50MB}\n", "1: limits.memory", "memory is 50MB, but must be 100MB or more"),
    ("limits: {epoch_seconds: soon}\n", "1: limits.epoch_seconds", "`epoch_seconds` must be seconds or a duration"),
    ("finalists: {top: 0}\n", "1: finalists.top", "must be >= 1, but got 0"),
    ("finalists: {seeds: 1}\n", "1: finalists.seeds", "must be >= 2, but got 1"),
    # what is enqueued and does not fit
    ("enqueue: {batch_size: 32}\n", "1: enqueue", "must be a list"),
    ("enqueue:\n  - 3\n", "2: enqueue[0]", "must be a mapping of keys to values, but got 3"),
    ("enqueue:\n  - {}\n  - batch_size: 3\n", "3: enqueue[1].batch_size", "one of the study's options (32, 64, 128"),
    ("enqueue:\n  - optimizer: {name: adm}\n", "2: enqueue[0].optimizer", "one of the study's options (sgd,"),
    ("enqueue:\n  - optimizer: {learning_rate: 0.1}\n", "2: enqueue[0].optimizer", "the key 'name' is missing"),
    ("enqueue:\n  - optimizer: {name: adam, beta_1: 2.0}\n", "2: enqueue[0].optimizer.beta_1", "must lie in"),
    ("enqueue:\n  - optimizer: {name: adam, momentum: 0.1}\n", "2: enqueue[0].optimizer.momentum", "unknown key"),
    ("enqueue:\n  - model: cnn\n", "2: enqueue[0].model", "the study leaves 'model' at its default"),
    (
        "enqueue:\n  - bach_size: 32\n",
        "2: enqueue[0].bach_size",
        "unknown key 'bach_size' (did you mean 'batch_size'?)",
    ),
    (
        "trial: {optimizer: sgd}\nenqueue:\n  - optimizer: adam\n",
        "3: enqueue[0].optimizer",
        "the study has 'sgd' here, but got 'adam'",
    ),
    (
        "trial: {batch_size: 32}\nenqueue:\n  - batch_size: 64\n",
        "3: enqueue[0].batch_size",
        "the study fixes this to 32, but got 64",
    ),
]


def test_what_is_wrong_is_told_once_with_its_line_and_key_path(problems_in):
    for text, place, fragment in MALFORMED:
        problems = problems_in(text)
        assert len(problems) == 1, (text, place, fragment)
        assert problems[0].startswith(f"study.yaml:{place}: "), (text, place, fragment)
        assert fragment in problems[0], (text, place, fragment)


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file(problems_in):
    problems = problems_in(
        "name: ../x\n"
        "trial:\n"
        "  optimizer:\n"
        "    choice:\n"
        "      - {name: adam, learning_rate: {float: [1, 0]}, beta_3: 0.5}\n"
        "      - {name: sdg}\n"
        "  batch_size: {choice: [32, 32, -1]}\n"
        "  training: {max_epochs: soon}\n"
        "search: {trials: 0, timeout: later}\n"
        "finalists: {top: 0}\n"
    )
    places = {problem.split(": ")[1] for problem in problems}
    assert places == {
        "name",
        "trial.optimizer.choice[0].learning_rate.float",
        "trial.optimizer.choice[0].beta_3",
        "trial.optimizer.choice[1].name",
        "trial.batch_size.choice[1]",
        "trial.batch_size.choice[2]",
        "trial.training.max_epochs",
        "search.trials",
        "search.timeout",
        "finalists.top",
    }
    assert len(problems) == len(places)
