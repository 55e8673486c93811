//! The report as a document.

use dp2stage::report::{CustodianReport, Section, custodian};
use dp2stage::tabular::{Schema, Table};
use serde_json::Value;

use super::tables::{categories, fixture, shuffled};

#[test]
fn the_report_says_what_it_is_and_reads_back() {
    let (schema, train, held_out, synthetic) = fixture();
    let report = custodian(&schema, &train, &held_out, &synthetic);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["view"], "custodian");
    assert!(json["notice"].as_str().unwrap().contains("not differentially private: do not publish"));
    assert_eq!(json["rows"], serde_json::json!({"synthetic": 1400, "training": 1500, "held_out": 1500}));
    assert_eq!(json["one_way"]["columns"][1]["column"], "ward");
    assert_eq!(json["two_way"]["measured"], 21);
    assert_eq!(json["two_way"]["worst"].as_array().unwrap().len(), 5);
    assert_eq!(json["efficacy"]["positive"], "yes");
    assert!(json["efficacy"]["boosting"]["real"]["roc_auc"].is_number());
    assert!(no_nulls(&json));
    assert_eq!(serde_json::from_value::<CustodianReport>(json.clone()).unwrap(), report);

    let mut old = json.clone();
    let fields = old.as_object_mut().unwrap();
    fields.retain(|name, _| name != "language" && name != "evidence");
    fields.insert("perplexity".into(), serde_json::json!({"values": 3.5}));
    let old: CustodianReport = serde_json::from_value(old).unwrap();
    assert_eq!(old.perplexity.map(|found| found.values), Some(3.5));
    assert!(old.language.measured().is_none() && old.evidence.measured().is_none(), "a report of an older version");

    let mut released = json;
    released["view"] = "released".into();
    assert!(serde_json::from_value::<CustodianReport>(released).is_err());
}

/// Reports are kept: those of before must be read, and say of what they lack that it was not measured.
#[test]
fn a_report_of_before_is_read() {
    let (schema, train, held_out, synthetic) = fixture();
    let mut json = serde_json::to_value(custodian(&schema, &train, &held_out, &synthetic)).unwrap();
    for member in ["fidelity", "utility"] {
        assert!(json.as_object_mut().unwrap().remove(member).is_some());
    }
    for member in ["baseline", "classes"] {
        assert!(json["efficacy"].as_object_mut().unwrap().remove(member).is_some());
    }
    for model in ["logistic", "boosting"] {
        assert!(json["efficacy"][model].as_object_mut().unwrap().remove("calibration").is_some());
    }
    let report: CustodianReport = serde_json::from_value(json).unwrap();
    let Section::Absent { absent } = report.fidelity else { unreachable!() };
    assert!(absent.contains("when this report was made"));
    assert!(report.utility.is_empty() && report.efficacy.measured().unwrap().baseline.is_none());
}

#[test]
fn the_same_tables_give_the_same_report() {
    let (schema, train, held_out, synthetic) = fixture();
    assert_eq!(custodian(&schema, &train, &held_out, &synthetic), custodian(&schema, &train, &held_out, &synthetic));
}

/// Sums in another order differ in the last digits, which may move a split of a tree between
/// equals; nothing else may change.
#[test]
fn the_order_of_rows_does_not_matter() {
    let (schema, train, held_out, synthetic) = fixture();
    let a = custodian(&schema, &train, &held_out, &synthetic);
    let b = custodian(&schema, &shuffled(&train), &shuffled(&held_out), &shuffled(&synthetic));
    assert_eq!((&a.one_way, &a.two_way), (&b.one_way, &b.two_way));
    let (a, b) = (a.efficacy.measured().unwrap(), b.efficacy.measured().unwrap());
    assert!((a.logistic.synthetic.roc_auc - b.logistic.synthetic.roc_auc).abs() < 1e-6);
    assert!((a.logistic.real.roc_auc - b.logistic.real.roc_auc).abs() < 1e-6);
    assert!((a.boosting.synthetic.roc_auc - b.boosting.synthetic.roc_auc).abs() < 0.01);
}

#[test]
fn degenerate_tables_have_a_report_without_nulls() {
    let narrow = Schema::new(vec![categories("t", 2, true)], Some(0), None).unwrap();
    let wide = Schema::new(vec![categories("a", 1, true), categories("t", 2, true)], Some(1), None).unwrap();
    for schema in [narrow, wide] {
        let (some, none) = (Table::new(schema.width(), vec![0; 40]), Table::new(schema.width(), vec![]));
        for tables in [(&some, &some, &some), (&none, &none, &none), (&some, &none, &some), (&none, &some, &some)] {
            let json = serde_json::to_value(custodian(&schema, tables.0, tables.1, tables.2)).unwrap();
            assert!(no_nulls(&json), "{json}");
            assert!(json["efficacy"]["absent"].is_string());
            assert_eq!(json["two_way"]["absent"].is_string(), schema.width() == 1);
        }
    }
}

fn no_nulls(json: &Value) -> bool {
    match json {
        Value::Null => false,
        Value::Array(items) => items.iter().all(no_nulls),
        Value::Object(fields) => fields.values().all(no_nulls),
        _ => true,
    }
}
