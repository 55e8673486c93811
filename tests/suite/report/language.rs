//! Figures of a language model that are made of others.

use dp2stage::report::LanguageView;
use dp2stage::report::language::{Energy, EnergySource, Generation, Validity, WATTS_PER_CORE};

#[test]
fn figures_follow_from_what_was_counted() {
    let wrote = Generation::of(2000, 30_000, 5.0).unwrap();
    assert_eq!((wrote.seconds_per_1000_rows, wrote.tokens_per_row), (2.5, 15.0));
    assert_eq!(Generation::of(0, 0, 5.0), None);
    let none = Validity::of(0, 500);
    assert!(none.valid.share == 0.0 && none.valid.interval.high > 0.0 && none.valid.interval.high < 0.01);

    let estimate = Energy::of(None, 4.0, 7.0);
    assert_eq!((estimate.source, estimate.joules), (EnergySource::Estimate, 7.0 * WATTS_PER_CORE));
    assert_eq!(estimate.watt_hours * 3600.0, estimate.joules);
    let counted = Energy::of(Some((EnergySource::Rapl, 90.0)), 4.0, 7.0);
    assert_eq!((counted.source, counted.joules), (EnergySource::Rapl, 90.0));
    // A card's meter knows nothing of the processor.
    let card = Energy::of(Some((EnergySource::NvidiaSmi, 90.0)), 4.0, 7.0);
    assert_eq!((card.source, card.joules), (EnergySource::NvidiaSmi, 90.0 + 7.0 * WATTS_PER_CORE));
    assert_eq!(serde_json::to_value(EnergySource::NvidiaSmi).unwrap(), "nvidia-smi");
    assert_eq!(serde_json::to_value(EnergySource::Estimate).unwrap(), "estimate");
}

#[test]
fn a_view_of_nothing_reads_back() {
    let view = LanguageView::new("compact");
    let json = serde_json::to_value(&view).unwrap();
    assert!(json["perplexity"]["absent"].is_string() && json["energy"]["absent"].is_string());
    assert_eq!(serde_json::from_value::<LanguageView>(json).unwrap(), view);
}
