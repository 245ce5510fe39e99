//! How often somebody may do something: a bucket for each, and no more buckets than a fixed number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many are told apart. When there are more, the one that was quiet longest starts anew.
const MAX_BUCKETS: usize = 1024;

/// How much at once, and how much in the long run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// How many at once, after a quiet time.
    pub burst: f64,
    /// How many come back each second.
    pub per_second: f64,
}

/// Limits how often each `K` does something.
#[derive(Debug)]
pub struct Limit<K> {
    rate: Rate,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    /// Nobody has done anything yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Counts one more of `who`.
    ///
    /// # Errors
    /// It was one too many, and is not counted: how long to wait for the next.
    pub fn take(&self, who: &K, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bucket = self.refilled(buckets.get(who), now);
        let result = self.check(bucket);
        if result.is_ok() {
            bucket.left -= 1.0;
        }
        if !buckets.contains_key(who) && buckets.len() >= MAX_BUCKETS {
            self.forget(&mut buckets, now);
        }
        buckets.insert(who.clone(), bucket);
        result
    }

    /// Takes back one that [`Self::take`] counted.
    pub fn give_back(&self, who: &K, now: Instant) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get(who).copied() else { return };
        let mut bucket = self.refilled(Some(&bucket), now);
        bucket.left = (bucket.left + 1.0).min(self.rate.burst);
        buckets.insert(who.clone(), bucket);
    }

    fn check(&self, bucket: Bucket) -> Result<(), Duration> {
        if bucket.left >= 1.0 {
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.left) / self.rate.per_second))
    }

    fn refilled(&self, bucket: Option<&Bucket>, now: Instant) -> Bucket {
        let Some(bucket) = bucket else { return Bucket { left: self.rate.burst, at: now } };
        let back = now.saturating_duration_since(bucket.at).as_secs_f64() * self.rate.per_second;
        Bucket { left: (bucket.left + back).min(self.rate.burst), at: now }
    }

    /// Makes room: full buckets say nothing, and if there are none, the one that was quiet longest goes.
    fn forget(&self, buckets: &mut HashMap<K, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| self.refilled(Some(bucket), now).left < self.rate.burst);
        if buckets.len() >= MAX_BUCKETS
            && let Some(quiet) =
                buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(who, _)| who.clone())
        {
            buckets.remove(&quiet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3.0, per_second: 0.5 };

    #[test]
    fn a_burst_passes_and_then_as_much_as_comes_back() {
        let (limit, start) = (Limit::new(RATE), Instant::now());
        for _ in 0..3 {
            assert_eq!(limit.take(&"a", start), Ok(()));
        }
        assert_eq!(limit.take(&"a", start), Err(Duration::from_secs(2)));
        assert_eq!(limit.take(&"b", start), Ok(()), "another's bucket is another");
        let later = start + Duration::from_secs(1);
        assert_eq!(limit.take(&"a", later), Err(Duration::from_secs(1)), "a refusal costs nothing");
        let later = start + Duration::from_secs(2);
        assert_eq!((limit.take(&"a", later), limit.take(&"a", later).is_ok()), (Ok(()), false));
        assert!(limit.take(&"a", later).is_err());
        limit.give_back(&"a", later);
        assert_eq!(limit.take(&"a", later), Ok(()), "what was given back is there");
        let tomorrow = start + Duration::from_secs(86_400);
        assert_eq!((0..9).filter(|_| limit.take(&"a", tomorrow).is_ok()).count(), 3, "no more than a burst");
    }

    #[test]
    fn memory_is_bounded_and_the_busy_are_remembered() {
        let (limit, start) = (Limit::new(RATE), Instant::now());
        for who in 0..10 * MAX_BUCKETS {
            let now = start + Duration::from_millis(who as u64 / 100);
            while limit.take(&usize::MAX, now).is_ok() {}
            assert_eq!(limit.take(&who, now), Ok(()));
            assert!(limit.buckets.lock().unwrap().len() <= MAX_BUCKETS);
        }
        let end = start + Duration::from_millis(MAX_BUCKETS as u64 / 10);
        assert!(limit.take(&usize::MAX, end).is_err());
    }
}
