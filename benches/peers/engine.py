#!/usr/bin/env python3
"""A DP training step beside Opacus, both in one run, in turn.

  python3 -m venv venv && venv/bin/pip install torch opacus transformers
  cargo build --release --benches
  venv/bin/python benches/peers/engine.py SHAPE THREADS OURS      e.g. gpt2-64 1 target/release/deps/engine-*

SHAPE: small (4 layers, width 128, 512 tokens, 256 rows of 32), gpt2-64, gpt2-128 (GPT-2 small, 4 rows of 64 or 128).
Every run is a process of its own. Both clip per row, add noise and take an AdamW step on all parameters in single
precision, dropout off; Opacus by hooks and by ghost clipping. CPU seconds of the best of several steps, peak memory.
"""
import json, os, resource, subprocess, sys, time

SHAPES = {"small": ((512, 32, 128, 4, 4), 256), "gpt2-64": ((50257, 64, 768, 12, 12), 4),
          "gpt2-128": ((50257, 128, 768, 12, 12), 4)}


def peer(shape, threads, mode):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    torch.set_num_threads(threads)
    (vocabulary, positions, width, layers, heads), rows = SHAPES[shape]
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=vocabulary, n_positions=positions, n_embd=width, n_layer=layers, n_head=heads, attn_pdrop=0.0,
        embd_pdrop=0.0, resid_pdrop=0.0, use_cache=False))
    # Opacus sums the two uses of a tied matrix wrongly or not at all: untied, as it wants it.
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    tokens = torch.randint(vocabulary, (rows, positions + 1))
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()  # Opacus views them
    criterion = torch.nn.CrossEntropyLoss(reduction="mean")
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(tokens), batch_size=rows)
    if mode != "plain":
        from opacus import PrivacyEngine
        made = PrivacyEngine(accountant="rdp").make_private(
            module=model, optimizer=optimiser, data_loader=data, noise_multiplier=1.0, max_grad_norm=1.0,
            criterion=criterion, poisson_sampling=False, grad_sample_mode="ghost" if mode == "ghost" else "hooks")
        model, optimiser = made[0], made[1]
        if mode == "ghost":
            criterion = made[2]
    place = torch.arange(positions).repeat(rows, 1)
    best = [float("inf")] * 2
    for _ in range(4):
        began = (time.process_time(), time.time())
        optimiser.zero_grad()
        logits = model(inputs, position_ids=place).logits
        # Ghost clipping has to be told what a row is.
        shape = {"shape": (rows, positions)} if mode == "ghost" else {}
        loss = criterion(logits.reshape(-1, vocabulary), targets.reshape(-1), **shape)
        loss.backward()
        optimiser.step()
        best = [min(b, now - then) for b, now, then in zip(best, (time.process_time(), time.time()), began)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"mode": mode, "cpu": best[0], "wall": best[1], "peak_mib": peak}))


def main():
    shape, threads, ours = sys.argv[1], sys.argv[2], sys.argv[3]
    environment = dict(os.environ, OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads)
    print(subprocess.run([ours, shape, threads], capture_output=True, text=True, env=environment).stdout.strip())
    for mode in ("plain", "hooks", "ghost"):
        command = [sys.executable, __file__, "--peer", shape, threads, mode]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        print(done.stdout.strip() or f"{mode}: {done.stderr.strip().splitlines()[-1:]}", flush=True)


if sys.argv[1] == "--peer":
    peer(sys.argv[2], int(sys.argv[3]), sys.argv[4])
else:
    main()
