//! The rules of a budget on random histories.

use dp2stage::privacy::{Account, Amount, Delta, Epsilon};
use proptest::prelude::*;

fn amount(epsilon: f64, delta: f64) -> Amount {
    Amount::charge(Epsilon::new(epsilon).unwrap(), Delta::new(delta).unwrap())
}

fn account(epsilon: f64, delta: f64) -> Account {
    let granted = Amount::grant(Epsilon::new(epsilon).unwrap(), Delta::new(delta).unwrap());
    Account { granted, ..Account::default() }
}

#[test]
fn decimal_parts_of_a_grant_add_up_to_it() {
    for parts in [3, 7, 10, 30] {
        let mut account = account(f64::from(parts) / 10.0, 1e-6);
        for _ in 0..parts {
            let delta = account.default_delta(Epsilon::new(0.1).unwrap());
            let charge = amount(0.1, delta);
            account.admit(charge).unwrap();
            account.spent.epsilon_pico += charge.epsilon_pico;
            account.spent.delta_atto += charge.delta_atto;
        }
        assert_eq!(account.largest_next_epsilon(), 0.0);
        account.admit(amount(0.001, 1e-15)).unwrap_err();
    }
}

#[test]
fn a_refusal_says_what_would_fit() {
    let mut account = account(3.0, 1e-6);
    account.spent = amount(1.0, 1e-6 / 3.0);
    account.reserved = amount(1.5, 5e-7);
    let refusal = account.admit(amount(1.0, account.default_delta(Epsilon::new(1.0).unwrap()))).unwrap_err();
    assert!((refusal.requested - 1.0 / 3.0).abs() < 1e-9);
    assert!((refusal.shares.spent - 1.0 / 3.0).abs() < 1e-9);
    assert!((refusal.shares.reserved - 0.5).abs() < 1e-9);
    assert!((refusal.shares.spent + refusal.shares.reserved + refusal.shares.remaining - 1.0).abs() < 1e-12);
    let next = Epsilon::new(refusal.largest_next_epsilon).unwrap();
    account.admit(Amount::charge(next, Delta::new(account.default_delta(next)).unwrap())).unwrap();
}

#[test]
fn delta_alone_can_exhaust_a_budget() {
    let mut account = account(10.0, 1e-6);
    account.spent = amount(0.1, 9e-7);
    account.admit(amount(0.1, 2e-7)).unwrap_err();
    assert!((account.largest_next_epsilon() - 1.0).abs() < 1e-6);
}

proptest! {
    /// Whatever is asked in whatever order, what was admitted never exceeds the grant.
    #[test]
    fn admitted_jobs_never_exceed_the_grant(
        grant in 0.01f64..20.0,
        jobs in prop::collection::vec((0.001f64..5.0, prop::option::of(1e-12f64..1e-6), any::<bool>()), 1..60),
    ) {
        let mut account = account(grant, 1e-6);
        for (epsilon, delta, reserve) in jobs {
            let epsilon = Epsilon::new(epsilon).unwrap();
            let delta = delta.unwrap_or_else(|| account.default_delta(epsilon)).clamp(1e-15, 0.1);
            let charge = Amount::charge(epsilon, Delta::new(delta).unwrap());
            match account.admit(charge) {
                Ok(()) => {
                    let held = if reserve { &mut account.reserved } else { &mut account.spent };
                    held.epsilon_pico += charge.epsilon_pico;
                    held.delta_atto += charge.delta_atto;
                }
                Err(refusal) => prop_assert!(refusal.largest_next_epsilon <= account.granted.epsilon()),
            }
            let used = account.spent.epsilon_pico + account.reserved.epsilon_pico;
            prop_assert!(used <= account.granted.epsilon_pico);
            prop_assert!(account.spent.delta_atto + account.reserved.delta_atto <= account.granted.delta_atto);
            let shares = account.shares();
            prop_assert!((shares.spent + shares.reserved + shares.remaining - 1.0).abs() < 1e-9);
        }
    }
}
