//! A budget as a bar and in words.

use maud::{Markup, html};

use crate::privacy::Account;
use crate::report::{figure, percent};

/// How a budget stands: granted, spent, reserved, left.
pub(super) fn gauge(account: &Account) -> Markup {
    let shares = account.shares();
    let (spent, reserved) = (100.0 * shares.spent.min(1.0), 100.0 * shares.reserved.min(1.0));
    let label = format!(
        "Budget: {} spent, {} reserved, {} left",
        percent(shares.spent),
        percent(shares.reserved),
        percent(shares.remaining)
    );
    html! {
        div.gauge {
            svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(label) {
                rect.free x="0" y="0" width="100" height="6" {}
                rect.spent x="0" y="0" width=(format!("{spent:.2}")) height="6" {}
                rect.reserved x=(format!("{spent:.2}")) y="0" width=(format!("{reserved:.2}")) height="6" {}
            }
            dl {
                div { dt { "Granted" } dd { "epsilon " (figure(account.grant.epsilon.get())) } }
                div { dt { span.key.spent {} "Spent" } dd { (percent(shares.spent)) } }
                div { dt { span.key.reserved {} "Reserved" } dd { (percent(shares.reserved)) } }
                div { dt { span.key.free {} "Left" } dd { (percent(shares.remaining)) } }
            }
        }
    }
}
