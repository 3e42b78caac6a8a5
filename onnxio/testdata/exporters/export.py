"""Trains two small networks once, and exports them with the PyTorch that runs this.

    python export.py train FOLDER
    python export.py export FOLDER

The second is called with several versions of PyTorch, which README.md lists. All
exports of a network have one set of weights, from image.npz or tokens.npz. Their
names say how they were made: "tokens" for the second network, the version, the
exporter (script or dynamo), the operator set, "training" where BatchNorm was not
to be folded into the convolution before it, and "plain" where the dynamo exporter
was not to optimize.
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


class Tokens(nn.Module):
    """Letters [n,6] to four scores for each [n,6,4], by attention."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(12, 8)
        self.query = nn.Linear(8, 8)
        self.key = nn.Linear(8, 8)
        self.value = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        h = self.embed(x)
        a = torch.softmax(self.query(h) @ self.key(h).transpose(1, 2), -1)
        h = h + a @ self.value(h)
        h = h + self.down(torch.relu(self.up(self.norm(h))))
        return self.head(h)


def spots(rng):
    """The task of Network: in which quarter of the image is the bright spot?"""
    label = rng.randint(4, size=64)
    x = 0.5 * rng.randn(64, 1, 8, 8)
    for i, k in enumerate(label):
        r, c = 4 * (k // 2) + rng.randint(3), 4 * (k % 2) + rng.randint(3)
        x[i, 0, r:r + 2, c:c + 2] += 2
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(label)


def repeats(rng):
    """The task of Tokens: how often does the letter stand in its word?"""
    x = rng.randint(12, size=(64, 1)) * (rng.rand(64, 6) < 0.4) + rng.randint(12, size=(64, 6)) * (rng.rand(64, 6) < 0.4)
    x %= 12
    often = (x[:, :, None] == x[:, None, :]).sum(2)
    return torch.from_numpy(x), torch.from_numpy(np.minimum(often, 4) - 1)


def train(folder):
    for name, network, batch in (("image", Network, spots), ("tokens", Tokens, repeats)):
        torch.manual_seed(0)
        net = network()
        opt = torch.optim.Adam(net.parameters(), 0.01)
        rng = np.random.RandomState(0)
        for _ in range(200):
            x, label = batch(rng)
            score = net(x).reshape(-1, 4)
            label = label.reshape(-1)
            loss = nn.functional.cross_entropy(score, label)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print("%s: loss %.3f, %.0f %% right" % (name, loss.item(), 100 * (score.argmax(1) == label).float().mean().item()))
        np.savez(os.path.join(folder, name + ".npz"), **{k: v.numpy() for k, v in net.state_dict().items()})


def without_traces(path):
    """Takes out what tells of the machine: the stack of source lines behind each node."""
    import onnx
    model = onnx.load(path)
    for node in model.graph.node:
        for entry in list(node.metadata_props):
            if entry.key == "pkg.torch.onnx.stack_trace":
                node.metadata_props.remove(entry)
    onnx.save(model, path)


def restored(net, path):
    net.load_state_dict({k: torch.from_numpy(v) for k, v in np.load(path).items()})
    return net.eval()


def export(folder):
    version = "torch" + ".".join(torch.__version__.split("+")[0].split(".")[:2])
    dynamo = "dynamo" in inspect.signature(torch.onnx.export).parameters
    print("PyTorch", torch.__version__)
    image = restored(Network(), os.path.join(folder, "image.npz")), torch.zeros(1, 1, 8, 8), version
    tokens = restored(Tokens(), os.path.join(folder, "tokens.npz")), torch.zeros(1, 6, dtype=torch.long), "tokens-" + version

    def save(which, name, **how):
        net, x, prefix = which
        path = os.path.join(folder, "%s-%s.onnx" % (prefix, name))
        try:
            torch.onnx.export(net, (x,), path, **how)
        except Exception as e:  # an operator set that this version has not
            print("  no %s: %s: %s" % (name, type(e).__name__, str(e).strip().splitlines()[0]))
            return
        if how.get("dynamo"):
            without_traces(path)
        print("  %s: %d bytes" % (os.path.basename(path), os.path.getsize(path)))

    script = {"dynamo": False} if dynamo else {}
    for opset in (13, 18):
        save(image, "script-%d" % opset, opset_version=opset, input_names=["image"], output_names=["scores"], **script)
        save(image, "script-%d-training" % opset, opset_version=opset, training=torch.onnx.TrainingMode.PRESERVE, **script)
        save(tokens, "script-%d" % opset, opset_version=opset, **script)
    if dynamo:
        how = {"dynamo": True, "external_data": False}
        save(image, "dynamo-18", opset_version=18, optimize=True, **how)
        save(image, "dynamo-18-plain", opset_version=18, optimize=False, **how)
        save(image, "dynamo-20", opset_version=20, optimize=True, **how)
        save(tokens, "dynamo-18", opset_version=18, optimize=True, **how)


if __name__ == "__main__":
    {"train": train, "export": export}[sys.argv[1]](*sys.argv[2:])
