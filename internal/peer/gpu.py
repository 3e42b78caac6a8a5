"""The published model in PyTorch on a GPU: one measurement, one line of JSON.

gpu.py train|sample --peer FOLDER --official FOLDER --config FILE --precision f32|tf32|bf16 [--compile] [--device cuda:N|cpu] [--seconds S]

--peer holds peer.py, whose build() makes the model, and mamba2_torch.py, which stands in for mamba_ssm where that
cannot be imported. --config is JSON: token, width, out (0: width), state, batch, rows (0: all), channels, lr, models, steps (of a sample), eight_bit,
and elements, the values of each weight. Values of weights are normal numbers: what a step costs does not depend on them.

seconds is the median, the device waited for; recurrent_s that of the recurrent model alone, forward and, in training,
backward; allocated and reserved are the most bytes that PyTorch had for tensors, and took; on a
CPU, which is for rehearsals, the most memory of the process. --compile compiles the denoiser; in training the whole
model, where it has so few tokens that a loop over their chunks compiles in seconds. Where there is no
room for it the answer is oom with the text of the error.
What would be slower is left out: the batch lies on the GPU already, AdamW is the fused one, and in sampling the condition
is embedded once, as the published efficiency.py does.
"""
import argparse, importlib.util, json, math, os, resource, statistics, sys, tempfile, time

WHOLE = 128  # tokens


class Target:
    """What peer.build and peer.Zoo.pe ask of a zoo."""

    def __init__(self, peer, torch, c):
        self.spec = {f"{i}.weight": ((n,), None, 0, 1) for i, n in enumerate(c["elements"])}
        self.params, self.count, self.token = sum(c["elements"]), c["models"], c["token"]
        self.length = sum(-(-n // c["token"]) for n in c["elements"])
        self.pe = lambda d: peer.Zoo.pe(self, d)
        rows = []
        for n in c["elements"]:
            rows.append(torch.cat([torch.randn(c["batch"], n), torch.full((c["batch"], -n % c["token"]), math.nan)], 1).view(c["batch"], -1, c["token"]))
        self.x = torch.cat(rows, 1)


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(peer, torch, a, c, zoo):
    """The model by peer.build. With `out` its second recurrent layer and what follows are wider, as published for ViT-Base."""
    mamba, stand_in = os.path.join(a.peer, "mamba2_torch.py"), "mamba2_torch.py"
    real = tempfile.NamedTemporaryFile("w", suffix=".py")
    if importlib.util.find_spec("mamba_ssm"):
        import mamba_ssm
        real.write("from mamba_ssm import Mamba2\n")
        real.flush()
        mamba, stand_in = real.name, ("mamba_ssm " + getattr(mamba_ssm, "__version__", "")).strip()
    peer.CH = c["channels"]
    peer.CONFIGS["given"] = dict(token=c["token"], d_model=c["width"], d_state=c["state"], batch=c["batch"], diffusion_batch=c["rows"] or None, lr=c["lr"], total=1000)
    model, samplers = peer.build(argparse.Namespace(mamba=mamba, official=a.official, config="given"), zoo)
    if not hasattr(sys.modules.get("einops"), "__version__"):
        sys.modules.pop("einops", None)  # peer.py's substitute, which torch.compile would take for the package
    if c["out"] and c["out"] != c["width"]:
        from model.mamba import Mamba
        first, second = (Mamba(d_model=d, d_state=c["state"], d_conv=4, expand=2) for d in (c["width"], c["out"]))
        second.in_proj = torch.nn.Linear(c["width"], second.in_proj.out_features, bias=False)
        model.model.mamba_forward = torch.nn.Sequential(first, second)
        model.criteria.net.condi_embedder = torch.nn.Linear(c["out"], c["token"])
    samplers["ddim"]()
    return model, stand_in


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cmd", choices=["train", "sample"])
    for n in ("peer", "official", "config"): p.add_argument("--" + n, required=True)
    p.add_argument("--precision", default="f32", choices=["f32", "tf32", "bf16"])
    p.add_argument("--device", default="cuda:0"); p.add_argument("--compile", action="store_true")
    p.add_argument("--seconds", type=float, default=2)
    a = p.parse_args()
    with open(a.config) as f: c = json.load(f)
    import torch
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.precision == "tf32"
    if a.device != "cpu": torch.cuda.set_device(a.device)
    answer = dict(cmd=a.cmd, precision=a.precision, compiled=a.compile, torch=torch.__version__, device="cpu" if a.device == "cpu" else torch.cuda.get_device_name())
    try:
        measure(torch, a, c, answer)
    except torch.OutOfMemoryError as e:
        answer.update(oom=True, what=str(e).split("\n")[0][:300])
    print(json.dumps(answer), flush=True)


def measure(torch, a, c, answer):
    cuda = a.device != "cpu"
    wait = torch.cuda.synchronize if cuda else (lambda: None)
    peer = load(os.path.join(a.peer, "peer.py"), "peer")
    with torch.device(a.device):
        zoo = Target(peer, torch, c)
        model, answer["mamba"] = build(peer, torch, a, c, zoo)
    answer.update(tokens=zoo.length, generator_params=sum(p.numel() for p in model.parameters()))
    autocast = lambda: torch.autocast("cuda" if cuda else "cpu", torch.bfloat16, enabled=a.precision == "bf16")
    states = torch.arange(c["batch"], device=a.device) % zoo.count

    def median(f, warm):
        for _ in range(warm): f()
        times, end = [], time.perf_counter() + a.seconds
        while len(times) < 3 or time.perf_counter() < end:
            wait(); t = time.perf_counter(); f(); wait(); times.append(time.perf_counter() - t)
        return statistics.median(times)

    def memory():
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer.update(allocated=torch.cuda.max_memory_allocated() if cuda else most, reserved=torch.cuda.max_memory_reserved() if cuda else most)

    if cuda: torch.cuda.empty_cache(); torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    if a.cmd == "train":
        model.train()
        run = model
        if a.compile and zoo.length <= WHOLE: run = torch.compile(model)
        elif a.compile: model.criteria.diffusion_trainer.model = torch.compile(model.criteria.net)
        opt, answer["optimizer"] = optimizer(torch, model, c, cuda)
        losses = []

        def step():
            opt.zero_grad()
            with autocast(): loss = run(output_shape=zoo.x.shape, x_0=zoo.x, permutation_state=states)
            loss.backward(); opt.step(); losses.append(loss.item())
        step(); answer.update(first_s=time.perf_counter() - begun)
        answer["seconds"] = median(step, 2)
        answer["losses"] = losses[:3]
        memory()
        opt.zero_grad()

        def recurrent():
            with autocast(): z = model.model(zoo.x.shape, model.to_permutation_state(states)[:, None, :])
            z.backward(torch.ones_like(z)); model.zero_grad()
    else:
        model.eval()
        hoist(torch, model, c["steps"], a.compile)

        def step():
            with torch.no_grad(), autocast(): model(sample=True)
        step(); answer.update(first_s=time.perf_counter() - begun)
        answer["seconds"] = median(step, 1)
        memory()

        def recurrent():
            with torch.no_grad(), autocast(): model.model([1, zoo.length, 0], torch.zeros(1, 1, c["width"], device=a.device))
    try:
        answer["recurrent_s"] = median(recurrent, 1)
    except torch.OutOfMemoryError:
        pass  # the share stays unknown; the measurement itself is whole


def optimizer(torch, model, c, cuda):
    """AdamW, of 8-bit states where they are published and bitsandbytes is there."""
    if c["eight_bit"] and cuda and importlib.util.find_spec("bitsandbytes"):
        import bitsandbytes
        return bitsandbytes.optim.AdamW8bit(model.parameters(), lr=c["lr"], weight_decay=0.0), "bitsandbytes AdamW8bit"
    return torch.optim.AdamW(model.parameters(), lr=c["lr"], weight_decay=0.0, fused=cuda), "torch AdamW"


def hoist(torch, model, steps, compiled):
    """The condition's embedding out of the sampling loop, as in the published efficiency.py."""
    net = model.criteria.net
    embedder, net.condi_embedder = net.condi_embedder, torch.nn.Identity()
    width = net.time_embedder.mlp[-1].out_features
    if compiled: model.criteria.diffusion_sampler.model = torch.compile(net)

    def sample(x=None, condition=None):
        z = embedder(model.model([1, model.sequence_length, 0], condition))
        x = torch.randn(1, model.sequence_length, width, device=z.device)
        return model.criteria.sample(x, z, steps=steps)
    model.sample = sample


if __name__ == "__main__":
    main()
