#!/usr/bin/env python3
"""Rows a CPU second beside Hugging Face's `generate` on the same shape, both in one run, in turn.

  python3 -m venv venv && venv/bin/pip install torch transformers
  cargo build --release --benches
  venv/bin/python benches/peers/generation.py KIND THREADS OURS     e.g. compact 1 target/release/deps/generation-*

KIND as in benches/generation.rs. The peer samples as many tokens a row as ours has, 256 rows at a time, with its KV
cache, temperature 1, without top-k, in single precision. It knows no grammar: ours are all valid rows of the schema,
its are rows of tokens.
"""
import json, os, resource, subprocess, sys, time

SHAPES = {"compact": (512, 128, 4, 4), "text": (512, 128, 4, 4), "gpt2-text": (50257, 768, 12, 12)}
ROWS = {"compact": (8192, 1024), "text": (2048, 512), "gpt2-text": (64, 32)}


def peer(kind, threads, tokens):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    torch.set_num_threads(threads)
    vocabulary, width, layers, heads = SHAPES[kind]
    rows = ROWS[kind][1]
    model = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_positions=tokens + 1, n_embd=width, n_layer=layers,
                                       n_head=heads, bos_token_id=0, eos_token_id=None)).eval()
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for _ in range(0, rows, 256):
            batch = min(256, rows)
            out = model.generate(torch.zeros(batch, 1, dtype=torch.long), do_sample=True, top_k=0, max_new_tokens=tokens,
                                 min_new_tokens=tokens, pad_token_id=0, use_cache=True)
            assert out.shape == (batch, tokens + 1)
        best = min(best, time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peer": kind, "tokens_a_row": tokens, "cpu": best, "rows_a_cpu_second": rows / best,
                      "peak_mib": peak}))


def main():
    kind, threads, ours = sys.argv[1], sys.argv[2], sys.argv[3]
    environment = dict(os.environ, OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads)
    mine = subprocess.run([ours, kind, threads, str(ROWS[kind][0])], capture_output=True, text=True, env=environment)
    print(mine.stdout.strip() or mine.stderr)
    tokens = round(json.loads(mine.stdout)["tokens_a_row"])
    command = [sys.executable, __file__, "--peer", kind, threads, str(tokens)]
    theirs = subprocess.run(command, capture_output=True, text=True, env=environment)
    print(theirs.stdout.strip() or theirs.stderr.strip().splitlines()[-1:])
    ratio = json.loads(mine.stdout)["rows_a_cpu_second"] / json.loads(theirs.stdout)["rows_a_cpu_second"]
    print(f"ours / peer: {ratio:.2f}")


if sys.argv[1] == "--peer":
    peer(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    main()
