//! What the first screen says: four questions, each with a figure, a word and a sentence.
//!
//! The bounds are conventions, said on the page itself. Those of epsilon follow the tiers of Ponomareva et al. 2023,
//! "How to DP-fy ML", section 5.2: up to 1 strong, up to 10 reasonable, above it weak.

use maud::{Markup, html};

use super::about::About;
use super::text::{figure, percent};
use crate::report::{CustodianReport, Efficacy, Evidence};

/// How an answer reads at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    Fair,
    Poor,
}

impl Level {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
        }
    }

    /// The level of a figure where less is better.
    fn of(x: f64, good: f64, fair: f64) -> Self {
        if x <= good {
            Self::Good
        } else if x <= fair {
            Self::Fair
        } else {
            Self::Poor
        }
    }
}

/// One answer.
pub(super) struct Verdict {
    question: &'static str,
    figure: String,
    level: Level,
    word: &'static str,
    says: String,
}

impl Verdict {
    /// The answer as a card.
    pub(super) fn card(&self) -> Markup {
        html! {
            div class=(format!("card {}", self.level.class())) {
                h3 { (self.question) }
                div.figure { (self.figure) }
                p { span class=(format!("word {}", self.level.class())) { (self.word) } ". " (self.says) }
            }
        }
    }
}

/// The formal promise.
pub(super) fn of_promise(about: &About) -> Verdict {
    let question = "Is it private?";
    if about.public {
        let says = "The dataset was declared public; nothing is promised about its rows.".into();
        return Verdict { question, figure: "no promise".into(), level: Level::Fair, word: "Public data", says };
    }
    let level = Level::of(about.epsilon, 1.0, 10.0);
    let word = match level {
        Level::Good => "A strong formal promise",
        Level::Fair => "A reasonable formal promise",
        Level::Poor => "A weak formal promise",
    };
    let says = format!(
        "An even guess whether {} is in the table can rise to {} at most.",
        about.unit(),
        percent(about.guess())
    );
    Verdict { question, figure: format!("epsilon {}", figure(about.epsilon)), level, word, says }
}

/// Whether the columns and their pairs look right.
pub(super) fn of_fidelity(report: &CustodianReport) -> Verdict {
    let pairs = report.two_way.measured().map(|two| two.mean);
    let shared = pairs.unwrap_or(report.one_way.mean);
    let level = Level::of(1.0 - shared, 0.05, 0.15);
    let word = match level {
        Level::Good => "Close",
        Level::Fair => "Fair",
        Level::Poor => "Coarse",
    };
    let what = if pairs.is_some() { "The joint histograms of two columns" } else { "The histograms of columns" };
    let says = format!(
        "{what} share {} on average with the real ones; single columns share {}.",
        percent(shared),
        percent(report.one_way.mean)
    );
    Verdict { question: "Does it look right?", figure: percent(shared), level, word, says }
}

/// Whether models that are fitted on it work on real rows.
pub(super) fn of_utility(efficacy: &Efficacy) -> Verdict {
    let best = |of: fn(&crate::report::Models) -> f64| of(&efficacy.logistic).max(of(&efficacy.boosting));
    let (synthetic, real) = (best(|m| m.synthetic.roc_auc), best(|m| m.real.roc_auc));
    let level = Level::of(real - synthetic, 0.02, 0.05);
    let word = match level {
        Level::Good => "Nearly as good",
        Level::Fair => "Somewhat worse",
        Level::Poor => "Much worse",
    };
    let says = format!(
        "The better of two models that predict {} reaches a ROC-AUC of {} on real rows that nobody trained on; fitted on \
         real rows it reaches {}.",
        efficacy.target,
        figure(synthetic),
        figure(real)
    );
    Verdict { question: "Do models work?", figure: format!("AUC {}", figure(synthetic)), level, word, says }
}

/// What the attacks on membership found; none where none was tried.
pub(super) fn of_attacks(evidence: &Evidence, about: &About) -> Option<Verdict> {
    let found = evidence.membership.measured()?;
    let worst = found.attacks.iter().max_by(|a, b| a.area.share.total_cmp(&b.area.share))?;
    let interval = worst.area.interval;
    let level = match interval {
        _ if interval.low > 0.6 => Level::Poor,
        _ if interval.low <= 0.5 || interval.high < 0.55 => Level::Good,
        _ => Level::Fair,
    };
    let word = match level {
        Level::Good => "Nothing found",
        Level::Fair => "A trace",
        Level::Poor => "Members are recognised",
    };
    let says = format!(
        "The better of our attacks ranks a member of the training table above somebody else {} of the time ({} to {}; 50 % is \
         guessing). Absence of a finding is no proof{}.",
        percent(worst.area.share),
        percent(interval.low),
        percent(interval.high),
        if about.public { "" } else { "; the promise is" }
    );
    Some(Verdict {
        question: "Do attacks find anybody?",
        figure: format!("AUC {}", figure(worst.area.share)),
        level,
        word,
        says,
    })
}

/// The rules, for those who want to know what a word stands for.
pub(super) fn rules() -> Markup {
    html! {
        details {
            summary { "What these words stand for" }
            p.soft { "They are conventions of this page and no guarantees. Privacy: epsilon up to 1 strong, up to 10 \
                reasonable, above weak (the tiers of Ponomareva et al. 2023). Likeness: joint histograms of pairs that share \
                95 % are close, 85 % fair. Models: a ROC-AUC within .02 of the real one is nearly as good, within .05 somewhat \
                worse. Attacks: an interval that holds .5, or ends below .55, found nothing; one that begins above .6 found \
                something." }
        }
    }
}
