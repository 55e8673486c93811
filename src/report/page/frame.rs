//! The frame of every page: head, title, footer.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::Section;

/// The style sheet of all pages: colours by name, light and dark, and what reports are made of.
pub const STYLE: &str = include_str!("style.css");

/// A whole document of `title`; `line` says below it what the page is about, `parts` are (anchor, heading, content).
pub(super) fn framed(title: &str, top: &Markup, parts: &[(&str, &str, Markup)]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    (top)
                    nav aria-label="Parts of this page" {
                        @for (anchor, heading, _) in parts { a href=(format!("#{anchor}")) { (heading) } }
                    }
                }
                main {
                    @for (anchor, heading, content) in parts {
                        section aria-labelledby=(anchor) { h2 id=(anchor) { (heading) } (content) }
                    }
                }
                footer { "Made by dp2stage " (env!("CARGO_PKG_VERSION")) ". This page is one file: it loads nothing and runs nothing." }
            }
        }
    };
    page.into_string()
}

/// Why a part of the page is empty.
pub(super) fn absent(reason: &str) -> Markup {
    html! { p.soft { (reason) } }
}

/// A part that was measured, or why not.
pub(super) fn part<T>(section: &Section<T>, shown: impl Fn(&T) -> Markup) -> Markup {
    match section {
        Section::Measured(measured) => shown(measured),
        Section::Absent { absent: reason } => absent(reason),
    }
}

/// Which colour is which.
pub(super) fn key(marks: &[(&str, &str)]) -> Markup {
    html! { p.soft { "Colours:" @for (class, word) in marks { span class=(format!("key {class}")) {} (word) } } }
}
