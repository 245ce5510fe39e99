//! Reads arbitrary holds files: refused with a place, or the same again after they were written in the one form.

#![no_main]

use failover_core::config::{Hold, Holds};
use failover_core::yaml::Place;
use libfuzzer_sys::fuzz_target;

/// Every hold but for where it stands.
fn unplaced(holds: &Holds) -> Vec<Hold> {
    holds.iter().map(|hold| Hold { place: Place { line: 1, column: 1 }, ..hold.clone() }).collect()
}

fuzz_target!(|bytes: &[u8]| {
    match Holds::read(bytes) {
        Err(errors) => assert!(!errors.as_slice().is_empty(), "refused without a reason"),
        Ok(holds) => match holds.text() {
            None => assert!(holds.iter().next().is_none(), "a hold is lost"),
            Some(text) => {
                let again = Holds::parse(&text).expect("what was written is readable");
                assert_eq!(unplaced(&holds), unplaced(&again));
                assert_eq!(again.text().as_deref(), Some(text.as_str()));
            }
        },
    }
});
