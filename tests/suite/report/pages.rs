//! Reports as pages: whole documents that load nothing, run nothing, escape what they are told, and can be heard.

use dp2stage::privacy::DpEvent;
use dp2stage::report::comparison::{Comparison, JobLine};
use dp2stage::report::released::{Noisy, NoisyColumn, ReleasedFigures, ReleasedTarget};
use dp2stage::report::{
    About, CustodianReport, Section, StageOneReport, Tables, comparison_page, custodian, custodian_page, released_page,
};
use proptest::prelude::*;
use serde_json::json;

use super::tables::fixture;

fn about() -> About {
    About {
        dataset: "clinic".into(),
        job: "0198c5a0-0000-7000-8000-000000000000".into(),
        finished: "2026-11-26T08:00:00Z".into(),
        epsilon: 1.0,
        delta: 1e-6,
        public: false,
        rows_of_person: None,
        event: Some(DpEvent::nothing()),
        request: json!({"method": {"stage1": "marginal", "stage2": "none", "model": "small", "generator": "auto"}}),
    }
}

fn report() -> CustodianReport {
    let (schema, train, held_out, synthetic) = fixture();
    custodian(&schema, &train, &held_out, &synthetic)
}

/// Every tag that is opened is closed in order, but for those that HTML has no end of.
fn well_formed(html: &str) -> Result<(), String> {
    let mut open = Vec::new();
    for part in html.split('<').skip(1) {
        let tag = part.split_once('>').ok_or_else(|| format!("an open end: {part}"))?.0;
        let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap_or_default();
        match name {
            _ if tag.starts_with('!') => {}
            "meta" | "br" | "link" => {}
            _ if tag.starts_with('/') => match open.pop() {
                Some(last) if last == name => {}
                other => return Err(format!("</{name}> closes {other:?}")),
            },
            _ => open.push(name),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("never closed: {open:?}")) }
}

/// What a page may not hold: anything that runs, and anything from elsewhere.
fn stands_alone(html: &str) {
    for word in
        ["<script", "javascript:", "<iframe", "<img", "<link", "<object", "@import", "url(", "http://", "https://"]
    {
        assert!(!html.contains(word), "{word}");
    }
    assert!(!html.contains(" on"), "no handlers: {:?}", html.find(" on").map(|at| &html[at..at + 40]));
}

fn text_alternatives(html: &str) {
    for svg in html.split("<svg").skip(1) {
        let tag = svg.split_once('>').unwrap().0;
        assert!(tag.contains("role=\"img\"") && tag.contains("aria-label=\""), "{tag}");
    }
    let headings: Vec<&str> = html.match_indices("<h").map(|(at, _)| &html[at..at + 3]).collect();
    assert_eq!(headings.iter().filter(|h| **h == "<h1").count(), 1);
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{}", &html[..40]);
    assert!(html.contains("name=\"viewport\""));
}

#[test]
fn a_report_is_one_file_for_everybody() {
    let report = report();
    let html = custodian_page(&about(), &report);
    well_formed(&html).unwrap();
    text_alternatives(&html);
    let inside = html.replace(" one ", " ").replace(" on ", " ").replace(" once", " ").replace(" only", " ");
    stands_alone(&inside.replace(" ones", " ").replace(" one", " ").replace(" on", " "));
    assert!(html.contains("For the custodian alone"));
    // The figures of the document are those of the report, and what it means is said.
    let auc = format!("{:.3}", report.efficacy.measured().unwrap().boosting.synthetic.roc_auc);
    assert!(html.contains(auc.trim_end_matches('0')), "{auc}");
    assert!(html.contains("73.1 %"), "an even guess rises to e / (e + 1)");
}

#[test]
fn the_released_page_has_no_figure_of_the_report() {
    let unbought = Section::Absent { absent: "Not <bought>.".into() };
    let html = released_page(&about(), 1400, &unbought);
    well_formed(&html).unwrap();
    text_alternatives(&html);
    assert!(html.contains("May be published") && !html.contains("For the custodian alone"));
    assert!(!html.contains("AUC") && html.contains("1,400") && html.contains("Not &lt;bought&gt;."));
}

#[test]
fn the_released_page_shows_figures_with_their_intervals() {
    let noisy = |value| Noisy { value, low: value - 0.031, high: value + 0.03 };
    let column = |name: &str| NoisyColumn { column: name.into(), intersection: noisy(0.777) };
    let target = ReleasedTarget {
        column: "income <k>".into(),
        positive: Some("> 50".into()),
        held_out_rows: Noisy { value: 1234.0, low: 1200.0, high: 1270.0 },
        roc_auc: Some(noisy(0.871)),
        f1: Some(noisy(0.612)),
        macro_f1: noisy(0.701),
        accuracy: noisy(0.822),
        baseline_accuracy: noisy(0.761),
    };
    let figures = ReleasedFigures {
        epsilon: 0.1,
        delta: 1e-5,
        rows: Noisy { value: 48_840.0, low: 48_600.0, high: 49_100.0 },
        one_way: noisy(0.955),
        columns: vec![column("age"), column("a <b>")],
        two_way: Section::Measured(noisy(0.911)),
        target: Section::Measured(target),
    };
    let html = released_page(&about(), 1400, &Section::Measured(figures.clone()));
    well_formed(&html).unwrap();
    text_alternatives(&html);
    for words in ["48,840", "95.5 %", "91.1 %", "0.871", "0.84 to 0.901", "&gt; 50", "a &lt;b&gt;", "1,234"] {
        assert!(html.contains(words), "{words}");
    }
    let none = Section::Absent { absent: "Drowned in <noise>.".into() };
    let html = released_page(&about(), 1400, &Section::Measured(ReleasedFigures { target: none, ..figures }));
    well_formed(&html).unwrap();
    assert!(html.contains("Drowned in &lt;noise&gt;."));
}

#[test]
fn every_part_has_words_where_it_has_no_figures() {
    let mut report = report();
    report.efficacy = Err("No <target> here.".to_owned()).into();
    report.utility.clear();
    report.two_way = Err("There is <one> column.".to_owned()).into();
    let html = custodian_page(&About { event: None, public: true, ..about() }, &report);
    well_formed(&html).unwrap();
    assert!(html.contains("No &lt;target&gt; here."));
}

#[test]
fn stages_stand_side_by_side() {
    let (schema, train, held_out, synthetic) = fixture();
    let tables = Tables { schema: &schema, train: &train, held_out: &held_out, synthetic: &train };
    let mut report = custodian(&schema, &train, &held_out, &synthetic);
    assert!(custodian_page(&about(), &report).contains("The job did not ask for it"));
    report.stage_one = Section::Measured(StageOneReport::of(tables, schema.target()));
    let html = custodian_page(&about(), &report);
    well_formed(&html).unwrap();
    let (alone, both) = (report.efficacy.measured().unwrap().boosting.real.roc_auc, &report.utility);
    assert_eq!((both.len(), report.stage_one.measured().unwrap().one_way), (1, 1.0), "the training rows themselves");
    assert!(html.contains("Stage 1 alone") && html.contains(format!("{alone:.3}").trim_end_matches('0')));
}

#[test]
fn jobs_stand_side_by_side() {
    let line = |epsilon| JobLine {
        job: format!("job-{epsilon}"),
        finished_at: String::new(),
        epsilon,
        delta: 1e-6,
        variant: "marginal / none / small / auto".into(),
    };
    let jobs = vec![(line(1.0), Some(report())), (line(8.0), Some(report())), (line(0.0), None)];
    let html = comparison_page(&Comparison::of("clinic".into(), jobs));
    well_formed(&html).unwrap();
    text_alternatives(&html);
    assert!(html.contains("job-8") && html.contains("The job has no report."));
    assert_eq!(html.matches("<svg").count(), 4);
    let none = comparison_page(&Comparison::of("clinic".into(), Vec::new()));
    well_formed(&none).unwrap();
    assert!(none.contains("No job of this dataset has succeeded yet."));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Names are the custodian's own: whatever they hold, it is text.
    #[test]
    fn names_are_text(name in "[a-z<>&\"' /=]{1,40}") {
        let mut report = report_of_names(&name);
        report.rows.synthetic += 1;
        let html = custodian_page(&About { dataset: name, ..about() }, &report);
        prop_assert_eq!(well_formed(&html), Ok(()));
    }
}

fn report_of_names(name: &str) -> CustodianReport {
    thread_local!(static REPORT: CustodianReport = report());
    let mut report = REPORT.with(Clone::clone);
    for column in &mut report.one_way.columns {
        column.column = name.into();
    }
    report
}
