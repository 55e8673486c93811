"""What is compared: a name for each request."""
import hashlib

PUBLIC = "public"    # needs another table, declared public, for stage 1
OWN = "own"          # runs on the table itself, declared public: a ceiling, not private

# name: (the job's `method`, what else it needs, a line for readers)
VARIANTS = {
    "M": ({}, None, "the default request: the service chooses"),
    "M-distribution": ({"stage1": "marginal", "stage2": "none", "generator": "distribution"}, None,
                       "rows of the distribution fitted to noisy tables"),
    "M-lm": ({"stage1": "marginal", "stage2": "none", "generator": "lm"}, None,
             "a language model trained on that distribution's rows"),
    "M-full": ({"stage1": "marginal", "stage2": "full", "generator": "lm"}, None,
               "the same, then all parameters by DP-SGD"),
    "M-lora": ({"stage1": "marginal", "stage2": "lora", "generator": "lm"}, None, "the same, then low-rank updates"),
    "M-heads": ({"stage1": "marginal", "stage2": "heads", "generator": "lm"}, None, "the same, then the output matrix"),
    "U": ({"stage1": "uniform", "stage2": "full"}, None, "uniform rows of the schema, then DP-SGD on everything"),
    "U-lora": ({"stage1": "uniform", "stage2": "lora"}, None, "the same, low-rank updates"),
    "U-heads": ({"stage1": "uniform", "stage2": "heads"}, None, "the same, the output matrix"),
    "U-adapter": ({"stage1": "uniform", "stage2": "adapter"}, None, "the same, an adapter"),
    "O": ({"stage1": "public", "stage2": "full"}, PUBLIC, "rows of the other table, declared public, then DP-SGD"),
    "DP-Standard": ({"stage1": "none", "stage2": "full"}, None, "DP-SGD from random weights"),
    "non_private": ({"stage1": "non_private", "stage2": "none"}, OWN,
                    "trained on the rows without privacy: the language model's ceiling"),
    "real": (None, None, "the real training rows in place of synthetic ones: the judge's ceiling"),
}

# These spend nothing, so that epsilon means nothing to them: measured once for each table, as epsilon 0.
WITHOUT_EPSILON = ("non_private", "real")

# What stage 1 buys: full-parameter DP-SGD after each kind of stage 1.
STAGE1 = ("U", "O", "DP-Standard", "non_private")


def chosen(word):
    """The variants that a word names: `all`, or names."""
    names = list(VARIANTS) if word == "all" else word.split()
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise SystemExit(f"no such variant: {' '.join(unknown)}; there are {' '.join(VARIANTS)}")
    return names


def digest(name):
    """What tells one request of this name from another."""
    return hashlib.sha256(repr(VARIANTS[name][:2]).encode()).hexdigest()[:4]
