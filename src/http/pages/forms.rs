//! Forms of a dataset. The script sends them to the API, and says at the field what is wrong.

use maud::{Markup, html};

use crate::store::Dataset;

/// A field's help and its fault, which the script writes.
pub(super) fn about(name: &str, help: &Markup) -> Markup {
    html! {
        p.soft id=(format!("{name}-help")) { (help) }
        p.fault id=(format!("{name}-fault")) role="alert" {}
    }
}

/// What describes a field.
pub(super) fn described(name: &str) -> String {
    format!("{name}-help {name}-fault")
}

/// A job, with an estimate of what it costs before anything is spent.
pub(super) fn job(dataset: &Dataset) -> Markup {
    let columns = dataset.schema["columns"].as_array().map_or(0, Vec::len);
    let each = dataset.persons().map_or(1, |persons| persons.max_rows.get());
    html! {
        form.narrow data-job=(dataset.id) data-columns=(columns) data-rows=(dataset.rows_public) data-rows-each=(each) novalidate {
            label for="epsilon" { "Epsilon of this job" }
            input #epsilon name="epsilon" inputmode="decimal" value="1" autocomplete="off" aria-describedby=(described("epsilon"));
            (about("epsilon", &html! { "Smaller protects more and blurs more. 1 is usual; above 10 little is promised." }))
            label for="rows" { "Synthetic rows" }
            input #rows name="rows" inputmode="numeric" value=(dataset.rows_public) autocomplete="off" aria-describedby=(described("rows"));
            (about("rows", &html! { "As many as you like: they cost nothing." }))
            details {
                summary { "Method and report" }
                label for="stage1" { "Stage 1" }
                select #stage1 name="stage1" aria-describedby=(described("stage1")) {
                    option value="marginal" selected { "measured tables, with noise" }
                    option value="uniform" { "uniform rows of the schema" }
                    option value="none" { "none" }
                    @if dataset.public { option value="non_private" { "the rows themselves, without privacy (a public table)" } }
                }
                (about("stage1", &html! { "What the language model learns first. Measured tables are best at most epsilons." }))
                label for="stage2" { "Stage 2" }
                select #stage2 name="stage2" aria-describedby=(described("stage2")) {
                    option value="" selected { "as fits stage 1" }
                    @for (value, name) in [("none", "none"), ("full", "all parameters"), ("lora", "low-rank updates"), ("heads", "the output matrix"), ("adapter", "an adapter")] {
                        option value=(value) { (name) }
                    }
                }
                (about("stage2", &html! { "What is then trained on private rows by DP-SGD." }))
                label for="model" { "Language model" }
                input #model name="model" value="small" autocomplete="off" aria-describedby=(described("model"));
                (about("model", &html! { code { "small" } ", or one that this server's settings name." }))
                label for="released" { "Epsilon for figures that everybody may see" }
                input #released name="released" inputmode="decimal" value="0" autocomplete="off" aria-describedby=(described("released"));
                (about("released", &html! { "A part of the job's epsilon, 0 for none. Without it, how good the table is is known to its custodian alone." }))
            }
            div.estimate data-estimate="" role="status" aria-live="polite" { p.soft { "What it would cost stands here." } }
            p.fault data-fault="" role="alert" {}
            button type="submit" { "Start the job" }
        }
    }
}

/// A larger grant.
pub(super) fn raise(dataset: &Dataset, epsilon: f64) -> Markup {
    html! {
        details {
            summary { "Grant more" }
            form.narrow data-raise=(dataset.id) novalidate {
                label for="grant" { "New epsilon of the whole budget" }
                input #grant name="epsilon" inputmode="decimal" value=(epsilon) autocomplete="off" aria-describedby=(described("grant"));
                (about("grant", &html! { "At least what it is. A grant cannot be taken back: whoever raises it after having seen \
                    results has the guarantee of the larger one. The audit log keeps it." }))
                button type="submit" { "Grant it" }
            }
        }
    }
}

/// A new version of the rows.
pub(super) fn rows(dataset: &Dataset) -> Markup {
    html! {
        form.narrow data-version=(dataset.id) novalidate {
            label for="table" { "A new version" }
            input #table name="table" type="file" accept=".csv,.gz,text/csv" aria-describedby=(described("table"));
            (about("table", &html! { "CSV with a header, packed with gzip or not. All rows must be as declared, or nothing is \
                stored. It restores no budget." }))
            progress hidden max="1" value="0" aria-label="Upload" {}
            div data-problems="" role="alert" {}
            button type="submit" { "Upload" }
        }
    }
}
