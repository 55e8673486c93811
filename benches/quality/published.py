"""Figures that were not measured by this harness, each with where it is from."""

# The same judge and the same tables, measured before this harness (design notes, method.md section 1).
EARLIER = "measured earlier, same judge"
# (table, epsilon): [(name, {measure: figure})]
QUOTED = {
    ("adult", 1.0): [
        ("AIM (private-pgm, light settings)", {"xgb_f1": .646, "xgb_auc": .895, "lr_f1": .633, "lr_auc": .898,
                                               "one_way": .985, "two_way": .956, "seconds": 221}),
        ("MST (private-pgm; middle of a range)", {"xgb_f1": .42, "xgb_auc": .83, "lr_f1": .39, "lr_auc": .825,
                                                  "one_way": .986, "two_way": .947, "seconds": 256}),
        ("MOSTLY AI engine with DP", {"xgb_f1": .534, "xgb_auc": .859, "lr_f1": .545, "lr_auc": .866,
                                      "one_way": .927, "two_way": .867, "seconds": 310}),
        ("independent noisy columns", {"xgb_f1": .03, "xgb_auc": .45, "lr_f1": 0.0, "lr_auc": .43,
                                       "one_way": .984, "two_way": .907, "seconds": 1.6}),
    ],
    ("adult", 8.0): [
        ("AIM (private-pgm, light settings)", {"xgb_f1": .666, "xgb_auc": .905, "two_way": .967}),
    ],
    ("airline", 1.0): [
        ("AIM (private-pgm, light settings)", {"xgb_f1": .913, "xgb_auc": .970, "lr_f1": .914, "lr_auc": .971,
                                               "one_way": .9985, "two_way": .987, "seconds": 640}),
        ("MST (private-pgm)", {"xgb_f1": .783, "xgb_auc": .897, "lr_f1": .786, "lr_auc": .894, "two_way": .958}),
    ],
}

# Afonja et al., TMLR 2025, with GPT-2, delta 1e-5, splits and histograms of their own: F1 and AUC are means over LR
# and XGB, the histogram is against test rows, perplexities are of GPT-2's tokens.
PAPER = {
    ("adult", 1.0): {"U": (.212, .489, .867, 2.885), "O": (.304, .616, .885, 3.060),
                     "DP-Standard": (.278, .585, .857, 3.214)},
    ("adult", 8.0): {"U": (.224, None, .869, 2.793), "O": (.334, None, .879, 2.812),
                     "DP-Standard": (.313, None, .845, 2.941)},
    ("airline", 1.0): {"U": (.685, .778, .907, 3.634), "O": (.552, .625, .925, 3.741),
                       "DP-Standard": (.605, .653, .903, 3.800)},
    ("airline", 8.0): {"U": (.719, None, .904, 3.523), "O": (.642, None, .923, 3.605),
                       "DP-Standard": (.649, None, .898, 3.649)},
    ("adult", 0.0): {"non_private": (.689, .907, .907, 2.481)},
    ("airline", 0.0): {"non_private": (.896, .959, .908, 2.901)},
}
