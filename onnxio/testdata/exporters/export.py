"""Trains a small network once, and exports it with the PyTorch that runs this.

    python export.py train WEIGHTS.npz
    python export.py export WEIGHTS.npz FOLDER

The second is called with several versions of PyTorch, which README.md lists. All
exports are of one network with one set of weights. Their names say how they were
made: the version, the exporter (script or dynamo), the operator set, "training"
where BatchNorm was not to be folded into the convolution before it, and "plain"
where the dynamo exporter was not to optimize.
"""

import inspect
import os
import sys

import numpy as np
import torch
from torch import nn


class Block(nn.Module):
    """Two convolutions with BatchNorm, added to their input."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x):
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(x + self.norm2(self.conv2(y)))


class Network(nn.Module):
    """Images [n,1,8,8] to four scores [n,4]."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.block = Block(6)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(96, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        y = self.pool(self.block(torch.relu(self.stem(x))))
        return self.head(torch.relu(self.hidden(y.reshape(-1, 96))))


def train(path):
    """The task: in which quarter of the image is the bright spot?"""
    torch.manual_seed(0)
    net = Network()
    opt = torch.optim.Adam(net.parameters(), 0.01)
    rng = np.random.RandomState(0)
    for _ in range(200):
        label = rng.randint(4, size=64)
        x = 0.5 * rng.randn(64, 1, 8, 8)
        for i, k in enumerate(label):
            r, c = 4 * (k // 2) + rng.randint(3), 4 * (k % 2) + rng.randint(3)
            x[i, 0, r:r + 2, c:c + 2] += 2
        score = net(torch.from_numpy(x.astype(np.float32)))
        loss = nn.functional.cross_entropy(score, torch.from_numpy(label))
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("loss %.3f, %.0f %% right" % (loss.item(), 100 * (score.argmax(1).numpy() == label).mean()))
    np.savez(path, **{k: v.numpy() for k, v in net.state_dict().items()})


def without_traces(path):
    """Takes out what tells of the machine: the stack of source lines behind each node."""
    import onnx
    model = onnx.load(path)
    for node in model.graph.node:
        for entry in list(node.metadata_props):
            if entry.key == "pkg.torch.onnx.stack_trace":
                node.metadata_props.remove(entry)
    onnx.save(model, path)


def export(weights, folder):
    net = Network()
    net.load_state_dict({k: torch.from_numpy(v) for k, v in np.load(weights).items()})
    net.eval()
    x = torch.zeros(1, 1, 8, 8)
    version = ".".join(torch.__version__.split("+")[0].split(".")[:2])
    dynamo = "dynamo" in inspect.signature(torch.onnx.export).parameters
    print("PyTorch", torch.__version__)

    def save(name, **how):
        path = os.path.join(folder, "torch%s-%s.onnx" % (version, name))
        try:
            torch.onnx.export(net, (x,), path, **how)
        except Exception as e:  # an operator set that this version has not
            print("  no %s: %s: %s" % (name, type(e).__name__, str(e).strip().splitlines()[0]))
            return
        if how.get("dynamo"):
            without_traces(path)
        print("  %s: %d bytes" % (name, os.path.getsize(path)))

    script = {"dynamo": False} if dynamo else {}
    for opset in (13, 18):
        save("script-%d" % opset, opset_version=opset, input_names=["image"], output_names=["scores"], **script)
        save("script-%d-training" % opset, opset_version=opset, training=torch.onnx.TrainingMode.PRESERVE, **script)
    if dynamo:
        how = {"dynamo": True, "external_data": False}
        save("dynamo-18", opset_version=18, optimize=True, **how)
        save("dynamo-18-plain", opset_version=18, optimize=False, **how)
        save("dynamo-20", opset_version=20, optimize=True, **how)


if __name__ == "__main__":
    {"train": train, "export": export}[sys.argv[1]](*sys.argv[2:])
