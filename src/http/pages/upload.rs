//! From a file to a dataset: a proposal, its correction, a grant, the upload.

use axum::response::Response;
use maud::{Markup, html};

use super::forms::{about, described};
use super::frame::shown;
use super::viewer::Viewer;

/// The page. What is filled in is sent by its script, when it is whole.
pub(super) async fn page(viewer: Viewer) -> Response {
    let content = html! {
        p { "Three steps. Nothing is stored before the last, and nothing is spent before you start a job." }
        form data-upload="" novalidate {
            section aria-labelledby="file-step" { h2 #file-step { "1. The table" } (file()) }
            section data-step="schema" hidden aria-labelledby="schema-step" {
                h2 #schema-step tabindex="-1" { "2. What may stand in it" }
                (declaring())
                div data-columns="" {}
                label for="target" { "Target" }
                select #target name="target" aria-describedby=(described("target")) { option value="" { "none" } }
                (about("target", &html! { "The column that models built on the table would predict. The report tests it, and it is \
                    drawn with care." }))
                (rules())
            }
            section data-step="budget" hidden aria-labelledby="budget-step" { h2 #budget-step { "3. Name and budget" } (budget()) }
        }
    };
    shown(&viewer, ("/upload", "Upload a table"), &content)
}

fn file() -> Markup {
    html! {
        div.drop data-drop="" {
            label for="file" { "Choose a CSV file, or drop one here" }
            input #file type="file" accept=".csv,.gz,.zst,text/csv" aria-describedby=(described("file"));
            (about("file", &html! { "A header, and one row a line; packed with gzip or zstd, or not. It is read once to propose a schema, \
                and forgotten again." }))
        }
        p data-status="" role="status" aria-live="polite" {}
    }
}

fn declaring() -> Markup {
    html! {
        div.banner.note {
            p { b { "What you declare is public." } " It says which values may occur, not which do, and everybody who sees the \
                synthetic table knows it. Noise hides how often a value occurs, never this list." }
            p { "What stands below was read from your rows. Change what only your rows could tell: an age ends at 120 and not at \
                the oldest patient's, a list of diagnoses is the code book's and not those that you happen to have. Somewhat too \
                wide costs little; a value that is declared and never occurs costs almost nothing." }
        }
    }
}

fn rules() -> Markup {
    html! {
        details {
            summary { "Rules between columns" }
            label for="rules" { "Rules, a list in JSON; leave it empty if there are none" }
            textarea #rules name="rules" spellcheck="false" aria-describedby=(described("rules"))
                placeholder=(r#"[{"type": "order", "columns": ["admitted", "left"]}]"#) {}
            (about("rules", &html! { "What is true of every row, by its nature: " code { "order" } " (one column is not above the next), "
                code { "sum" } " (a total and its parts), " code { "implies" } " (if this, then that), " code { "combinations" }
                " (allowed or forbidden together). Every synthetic row keeps them; an upload with a row that does not is refused. Public, \
                too." }))
        }
    }
}

fn budget() -> Markup {
    html! {
        div.narrow {
            label for="name" { "Name of the dataset" }
            input #name name="name" autocomplete="off" aria-describedby=(described("name"));
            (about("name", &html! { "Public, too. It stays bound to these people: a new dataset of the same name goes on with its budget." }))
            label for="rows_public" { "About how many rows" }
            input #rows_public name="rows_public" inputmode="numeric" autocomplete="off" aria-describedby=(described("rows_public"));
            (about("rows_public", &html! { "A number that you are willing to publish, near the true one: noise is set for it. Proposed \
                is a rounded count." }))
            fieldset {
                legend { "Who is protected" }
                label.line { input type="radio" name="unit" value="row" checked; "Each row: nobody has more than one" }
                label.line { input type="radio" name="unit" value="person"; "Each person, with several rows" }
                div data-person="" hidden {
                    label for="person" { "Column that says whose row it is" }
                    select #person name="person" aria-describedby=(described("person")) {}
                    (about("person", &html! { "It is left out of the schema, and never synthesised." }))
                    label for="max_rows" { "Rows that count of one person" }
                    input #max_rows name="max_rows" inputmode="numeric" value="5" autocomplete="off" aria-describedby=(described("max_rows"));
                    (about("max_rows", &html! { "1 to 64; the first ones count. More rows, more noise." }))
                }
            }
            label for="epsilon" { "Budget: epsilon" }
            input #epsilon name="epsilon" inputmode="decimal" value="3" autocomplete="off" aria-describedby=(described("epsilon"));
            (about("epsilon", &html! { "What all jobs together may ever reveal. It can be raised later, and never lowered. 1 to 3 is \
                cautious, 8 is loose." }))
            label for="delta" { "Budget: delta" }
            input #delta name="delta" inputmode="decimal" value="1e-6" autocomplete="off" aria-describedby=(described("delta"));
            (about("delta", &html! { "How likely the promise may fail altogether: well below one over the number of rows." }))
            div data-problems="" role="alert" {}
            progress hidden max="1" value="0" aria-label="Upload" {}
            p data-sending="" role="status" aria-live="polite" {}
            button type="submit" { "Declare and upload" }
        }
    }
}
