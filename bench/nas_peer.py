#!/usr/bin/env python3
"""The supernet of nas/super written in PyTorch, for bench/nas: the same space, sampling,
rounding, objective, batch and number of optimiser steps. Prints milliseconds a step.

usage: nas_peer.py STEPS BATCH IN OUT DEPTH WIDTH... (data is random: time does not depend on it)
"""
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
steps, batch, n_in, n_out, depth = (int(a) for a in sys.argv[1:6])
widths = [int(a) for a in sys.argv[6:]]
top = widths[-1]
GROUPS = 3
group = torch.arange(n_in) % GROUPS
unit = 1.0 / 64


def straight(hard, soft):
    """Value of hard, gradient of soft."""
    return soft + (hard - soft).detach()


def one_hot(logit, temperature):
    return F.gumbel_softmax(logit, tau=temperature, hard=True)


def rounded(w, bits):
    step, half = float(2 ** (8 - bits)), float(2 ** (bits - 1))
    return step * torch.clamp(torch.round(w / step), -half, half - 1)


class Layer(torch.nn.Module):
    def __init__(self, fan_in):
        super().__init__()
        self.w = torch.nn.Parameter(40 * torch.randn(top, fan_in))
        self.b = torch.nn.Parameter(20 * torch.randn(top))
        self.head = torch.nn.Parameter(torch.randn(n_out, top) / top ** 0.5)
        self.width = torch.nn.Parameter(torch.zeros(len(widths)))
        self.act = torch.nn.Parameter(torch.zeros(3))
        self.bits = torch.nn.Parameter(torch.zeros(3))
        self.register_buffer("mask", torch.tensor(
            [[1.0 if u < w else 0.0 for u in range(top)] for w in widths]))
        self.factor = 2.0 ** -7

    def forward(self, x, temperature):
        bits = one_hot(self.bits, temperature)
        w = sum(bits[i] * straight(rounded(self.w, b), self.w) for i, b in enumerate((8, 4, 2)))
        bias = straight(torch.round(self.b).clamp(-128, 127), self.b)
        y = (x @ w.t() + 128 * bias) * self.factor
        y = torch.clamp(straight(torch.floor(y + 0.5), y), -128, 127)
        act = one_hot(self.act, temperature)
        h = act[0] * y + act[1] * F.relu(y) + act[2] * torch.clamp(y.abs(), max=127)
        return h * (one_hot(self.width, temperature) @ self.mask)

    def head_used(self):
        scale = self.head.abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
        return straight(scale * torch.round(self.head / scale), self.head)

    def picks(self):
        return [self.width, self.act, self.bits]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(Layer(n_in if i == 0 else top) for i in range(depth))
        self.skip = torch.nn.Parameter(torch.zeros(n_out, n_in))
        self.offset = torch.nn.Parameter(torch.zeros(depth, n_out))
        self.exits = torch.nn.Parameter(torch.zeros(depth))
        self.gate = torch.nn.Parameter(torch.zeros(GROUPS, 2))

    def picks(self):
        return [p for l in self.layers for p in l.picks()] + [self.exits, self.gate]

    def mse(self, x, target, temperature):
        keep = one_hot(self.gate, temperature)[:, 1]
        x = x * keep[group]
        skip = unit * (x @ self.skip.t())
        share = torch.softmax(self.exits, 0)
        h, total = x, 0.0
        for i, layer in enumerate(self.layers):
            h = layer(h, temperature)
            pred = unit * (h @ layer.head_used().t()) + skip + self.offset[i]
            total = total + share[i] * F.mse_loss(pred, target)
        return total

    def cost(self):
        gate = torch.softmax(self.gate, 1)[:, 1]
        size = torch.tensor([float((group == g).sum()) for g in range(GROUPS)])
        fan_in = (gate * size).sum()
        total, share = fan_in / 4 + 0.5 * gate.sum(), torch.softmax(self.exits, 0)
        left, x = 1.0, fan_in
        for i, layer in enumerate(self.layers):
            w = (torch.softmax(layer.width, 0) * torch.tensor([float(v) for v in widths])).sum()
            b = (torch.softmax(layer.bits, 0) * torch.tensor([8.0, 4.0, 2.0])).sum()
            total = total + left * (w * torch.clamp(x / 64, min=1) + 0.02 * w * x * b / 8)
            total = total + share[i] * n_out * (5 + torch.clamp(w / 64, min=1) + 0.02 * (fan_in + w))
            left, x = left - share[i], w
        return total


torch.manual_seed(1)
net = Net()
picks = net.picks()
ids = {id(p) for p in picks}
weights = [p for p in net.parameters() if id(p) not in ids]
by_weight = torch.optim.Adam(weights, lr=0.01)
by_pick = torch.optim.Adam(picks, lr=0.02, betas=(0.9, 0.99))
x = torch.randint(-128, 128, (32768, n_in)).float()
y = torch.randn(32768, n_out)


def step(temperature):
    at = torch.randint(0, 16384, (batch,))
    by_weight.zero_grad(set_to_none=True)
    torch.log(net.mse(x[at], y[at], temperature)).backward()
    by_weight.step()
    at = at + 16384
    by_pick.zero_grad(set_to_none=True)
    loss = torch.log(net.mse(x[at], y[at], temperature)) + 0.1 * torch.log(net.cost())
    loss.backward()
    by_pick.step()


for _ in range(10):
    step(1.5)
times = []
for _ in range(5):
    begin = time.perf_counter()
    for _ in range(steps):
        step(1.5)
    times.append((time.perf_counter() - begin) / steps)
print("%.6f" % (1e3 * sorted(times)[2]))
