import math, os, time
def train(config, seed):
    x = config["x"]; y = config.get("kind", {}).get("y", 0.5) if isinstance(config.get("kind"), dict) else 0.5
    for epoch in range(9):
        time.sleep(float(os.environ.get("PAUSE", "0")))
        if x > 0.93 and epoch == 3:
            yield {"value": math.nan, "loss": math.nan}
        elif 0.05 < x < 0.1 and epoch == 2:
            raise ValueError("mine")
        else:
            yield {"value": x * (1 - math.exp(-(epoch + 1) * (0.2 + y))) + 0.05 * math.sin(seed + epoch), "loss": 1 - x}
