"""Means and deviations as cells of a Markdown table."""
import statistics

# measure: (heading, digits after the point)
COLUMNS = {
    "xgb_f1": ("XGB F1", 3), "xgb_auc": ("XGB AUC", 3), "lr_f1": ("LR F1", 3), "lr_auc": ("LR AUC", 3),
    "one_way": ("1-way", 3), "two_way": ("2-way", 3), "positive_rate": ("positive", 3),
    "invalid_cells": ("invalid cells", 0), "seconds": ("job s", 0), "cpu_seconds": ("CPU s", 0),
    "pace": ("s / 1,000 rows", 2), "charged": ("epsilon charged", 3),
}


def number(value, digits):
    text = f"{value:,.{digits}f}"
    return text[1:] if text.startswith("0.") else text


def cell(lines, measure, digits):
    """Mean and, of several runs, standard deviation; empty where nothing was measured."""
    values = [line[measure] for line in lines if isinstance(line.get(measure), (int, float))]
    if not values:
        return ""
    mean = number(statistics.fmean(values), digits)
    return f"{mean} ± {number(statistics.stdev(values), digits)}" if len(values) > 1 and max(values) > min(values) \
        else mean


def table(heading, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]
