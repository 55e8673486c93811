//! Persons as units of privacy: sampled whole, clipped whole, counted in the divisor.

use std::num::NonZeroU32;

use dp2stage::engine::{Chance, EngineError, Job, Overrides, PersonUnit, Plan, PrivateRows, Streams, Work, run};
use dp2stage::privacy::{NoiseSource, Pseudonyms};
use dp2stage::tabular::{Codec, Compact, Groups, Mark, RowsWriter, Schema, Table, decode};

use super::mechanism::{along_their_mean, deviation, mechanism, releases, small_model};
use super::{Memory, categories, constant_key, facts, learnt, schema, short, table};

/// The rows of a table dealt to persons, in order, `each` to everyone.
pub(super) fn dealt(schema: &Schema, table: &Table, each: usize, most: u32) -> (Table, Groups) {
    let names = Pseudonyms::new(&NoiseSource::from_os());
    let mut writer = RowsWriter::new(Vec::new(), table.width(), true).unwrap();
    for (i, row) in table.iter().enumerate() {
        let person = names.of(&(i / each).to_le_bytes()).pseudonym;
        writer.push(row, Mark { held_out: false, person: Some(person) }).unwrap();
    }
    let rows = decode(&writer.into_inner()[..], schema, NonZeroU32::new(most)).unwrap();
    (rows.train, rows.persons.unwrap())
}

/// Ten rows of one person, all alike, move a release as far as one row may, and not ten times as far.
#[test]
fn one_person_more_moves_a_release_by_no_more_than_a_share() {
    let schema = schema();
    let codec = Compact::new(&schema);
    let model = small_model(&codec);
    let key = NoiseSource::from_os();
    let mut codes: Vec<u32> = table(90).iter().flatten().copied().collect();
    let last: Vec<u32> = codes[..3].to_vec();
    let (less, fewer) = dealt(&schema, &Table::new(3, codes.clone()), 10, 10);
    codes.extend(last.repeat(10));
    let (more, persons) = dealt(&schema, &Table::new(3, codes), 10, 10);
    assert_eq!((persons.len(), fewer.len()), (10, 9));
    // The same key and step: the same noise, so the difference is the person's.
    let of = |table: &Table, persons: &Groups| {
        let rows = PrivateRows { table, persons: Some(persons), codec: &Codec::Compact(codec.clone()) };
        let mut work = Work::new(&model.0, 10);
        let chance = Chance { streams: &key as &dyn Streams, step: 0 };
        mechanism(1.0, 0.5, 0.2, 10).release(&model.1, rows, chance, &mut work).unwrap();
        work.gradient
    };
    let (a, b) = (of(&more, &persons), of(&less, &fewer));
    let change = a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    assert!(change <= 0.5 / 10.0 * (1.0 + 1e-4), "{change}");
    assert!(change > 0.49 / 10.0, "rows that pull together should count as far as they may: {change}");
}

/// Everybody has four rows with the same gradient: the sum counts persons, and they come and go whole.
#[test]
fn persons_are_sampled_whole() {
    let schema = Schema::new(vec![categories("a", 2, false)], None, None).unwrap();
    let (table, persons) = dealt(&schema, &Table::new(1, vec![0; 1600]), 4, 4);
    let (rate, clip) = (0.25, 0.05);
    let released = releases(mechanism(rate, clip, 0.2, 200), &schema, (&table, Some(&persons)), 1500);
    let along = along_their_mean(&released);
    let length = along.iter().sum::<f64>() / along.len() as f64;
    assert!((length / (clip * 400.0 / 200.0) - 1.0).abs() < 0.02, "{length}");
    // In units of one clipped person: N q (1 - q) + sigma^2 for N = 400 persons, and not 1,600 rows.
    let unit = clip / (rate * 200.0);
    let std = deviation(along.iter().map(|x| (x / unit) as f32));
    let expected = (400.0 * rate * (1.0 - rate) + 0.2f64.powi(2)).sqrt();
    assert!((std / expected - 1.0).abs() < 0.1, "{std} against {expected}");
}

fn plan(schema: &Schema, rows_public: u64, persons: Option<PersonUnit>, overrides: &Overrides) -> Plan {
    Plan::new(&facts(schema, rows_public, persons, 20), overrides).unwrap()
}

pub(super) fn unit(persons_public: u64, max_rows: u32) -> Option<PersonUnit> {
    Some(PersonUnit { persons_public, max_rows: NonZeroU32::new(max_rows).unwrap() })
}

#[test]
fn rates_and_divisors_count_persons() {
    let schema = schema();
    let batch = Overrides { expected_batch: Some(40.0), ..Overrides::default() };
    let rows = plan(&schema, 4000, None, &batch);
    let persons = plan(&schema, 4000, unit(1000, 8), &batch);
    assert_eq!((rows.private.unwrap().rate.get(), persons.private.unwrap().rate.get()), (0.01, 0.04));
    assert_eq!(
        (persons.mechanism().unwrap().units_public, persons.mechanism().unwrap().expected_batch()),
        (1000, 40.0)
    );
    assert_eq!((rows.longest_unit(), persons.longest_unit()), (1, 8));
    assert!(persons.private.unwrap().noise.get() > rows.private.unwrap().noise.get(), "fewer units need more noise");
    assert_eq!(persons.facts()["max_rows"], 8);
    let kept: Plan = serde_json::from_str(&serde_json::to_string(&persons).unwrap()).unwrap();
    assert_eq!(kept, persons);
    assert!(serde_json::to_value(&rows).unwrap().get("persons").is_none());
    assert!(Plan::new(&facts(&schema, 4000, unit(1000, 65), 20), &batch).is_err(), "more rows of a person than fit");
}

/// Where everybody has one row, a job over persons is the job over rows, bit for bit.
#[test]
fn persons_of_one_row_are_rows() {
    let (schema, private) = (schema(), table(300));
    let (gathered, persons) = dealt(&schema, &private, 1, 1);
    let over_rows = plan(&schema, 300, None, &short());
    let over_persons = plan(&schema, 300, unit(300, 1), &short());
    let result = |plan: &Plan, private: &Table, persons: Option<&Groups>| {
        let job = Job { plan, schema: &schema, private, public: None, ready: None, persons, real: None };
        learnt(&run(&job, &Memory::default().host(), &constant_key).unwrap()).weights.clone()
    };
    assert_eq!(result(&over_rows, &private, None), result(&over_persons, &gathered, Some(&persons)));
}

/// A plan that promises something to persons runs on nothing but rows whose persons are known.
#[test]
fn a_job_on_rows_of_the_other_kind_does_not_run() {
    let (schema, private) = (schema(), table(60));
    let (gathered, persons) = dealt(&schema, &private, 3, 3);
    for (plan, private, persons) in [
        (plan(&schema, 60, unit(20, 3), &short()), &private, None),
        (plan(&schema, 60, None, &short()), &gathered, Some(&persons)),
    ] {
        let memory = Memory::default();
        let result = run(
            &Job { plan: &plan, schema: &schema, private, public: None, ready: None, persons, real: None },
            &memory.host(),
            &constant_key,
        );
        assert!(matches!(result, Err(EngineError::Unit)));
        assert!(memory.log.borrow().is_empty(), "nothing was charged");
    }
}
