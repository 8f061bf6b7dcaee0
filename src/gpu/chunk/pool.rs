//! A pool of reusable resources: a lease returns what it holds when it is dropped, on any thread.
//!
//! Generic over what is pooled, and tested with fakes. Idle resources are cached up to a byte
//! budget; beyond it the one that has been idle longest goes first.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// Counters of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolStats {
    /// Leases served by an idle resource.
    pub(crate) hits: u64,
    /// Leases for which one was created.
    pub(crate) misses: u64,
    /// Bytes of the resources on lease.
    pub(crate) bytes_in_use: u64,
    /// Bytes of the idle ones.
    pub(crate) bytes_idle: u64,
    /// The most bytes there ever were, in use and idle.
    pub(crate) bytes_peak: u64,
}

/// What a pool may hold.
pub(crate) trait Pooled {
    /// Whether it may be leased again; if not, it is dropped when it comes back.
    fn reusable(&self) -> bool;
}

/// Cheap to clone; clones share the resources.
pub(crate) struct Pool<K, T: Pooled>(Arc<Mutex<Shelf<K, T>>>);

struct Shelf<K, T> {
    /// The longest idle in front.
    idle: VecDeque<Item<K, T>>,
    idle_budget: u64,
    stats: PoolStats,
}

struct Item<K, T> {
    key: K,
    bytes: u64,
    resource: T,
}

impl<K: PartialEq, T: Pooled> Pool<K, T> {
    /// A pool that keeps at most `idle_budget` bytes of idle resources.
    pub(crate) fn new(idle_budget: u64) -> Self {
        let (idle, stats) = (VecDeque::new(), PoolStats::default());
        Self(Arc::new(Mutex::new(Shelf { idle, idle_budget, stats })))
    }

    /// An idle resource of this key, or what `create` makes: the resource and its bytes.
    pub(crate) fn lease(
        &self,
        key: K,
        create: impl FnOnce() -> Result<(T, u64)>,
    ) -> Result<Lease<K, T>> {
        let found = {
            let mut shelf = lock(&self.0);
            // The one used last is the likeliest to be in a cache.
            let found = shelf.idle.iter().rposition(|item| item.key == key);
            found.and_then(|at| shelf.idle.remove(at)).inspect(|item| {
                shelf.stats.hits += 1;
                shelf.stats.bytes_idle -= item.bytes;
                shelf.stats.bytes_in_use += item.bytes;
            })
        };
        let item = match found {
            Some(item) => item,
            None => {
                // Not under the lock: creating may take long.
                let (resource, bytes) = create()?;
                let mut shelf = lock(&self.0);
                shelf.stats.misses += 1;
                shelf.stats.bytes_in_use += bytes;
                let total = shelf.stats.bytes_in_use + shelf.stats.bytes_idle;
                shelf.stats.bytes_peak = shelf.stats.bytes_peak.max(total);
                Item { key, bytes, resource }
            }
        };
        Ok(Lease { item: Some(item), pool: Self(self.0.clone()) })
    }

    pub(crate) fn stats(&self) -> PoolStats {
        lock(&self.0).stats
    }
}

fn lock<K, T>(shelf: &Mutex<Shelf<K, T>>) -> MutexGuard<'_, Shelf<K, T>> {
    // No code that can panic runs under the lock.
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, T: Pooled> Shelf<K, T> {
    /// Returns what is to be dropped.
    fn take_back(&mut self, item: Item<K, T>) -> Vec<Item<K, T>> {
        self.stats.bytes_in_use -= item.bytes;
        if !item.resource.reusable() {
            return vec![item];
        }
        self.stats.bytes_idle += item.bytes;
        self.idle.push_back(item);
        let mut surplus = Vec::new();
        while self.stats.bytes_idle > self.idle_budget {
            let Some(item) = self.idle.pop_front() else { break };
            self.stats.bytes_idle -= item.bytes;
            surplus.push(item);
        }
        surplus
    }
}

/// A resource out of a pool, for as long as the lease lives.
pub(crate) struct Lease<K, T: Pooled> {
    item: Option<Item<K, T>>,
    pool: Pool<K, T>,
}

const HELD: &str = "a lease holds its resource until it is dropped";

impl<K, T: Pooled> Deref for Lease<K, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.item.as_ref().expect(HELD).resource
    }
}

impl<K, T: Pooled> DerefMut for Lease<K, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.item.as_mut().expect(HELD).resource
    }
}

impl<K, T: Pooled> Drop for Lease<K, T> {
    fn drop(&mut self) {
        let item = self.item.take().expect(HELD);
        let surplus = lock(&self.pool.0).take_back(item);
        // Freed outside the lock.
        drop(surplus);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Error;

    struct Fake<'a>(&'a AtomicUsize);

    impl Pooled for Fake<'_> {
        fn reusable(&self) -> bool {
            true
        }
    }

    impl Pooled for bool {
        fn reusable(&self) -> bool {
            *self
        }
    }

    #[test]
    fn what_cannot_be_used_again_is_not() {
        let pool = Pool::new(1000);
        let mut lease = pool.lease((), || Ok((true, 10))).unwrap();
        *lease = false;
        drop(lease);
        assert_eq!((pool.stats().bytes_in_use, pool.stats().bytes_idle), (0, 0));
        assert!(*pool.lease((), || Ok((true, 10))).unwrap());
        assert_eq!((pool.stats().hits, pool.stats().misses), (0, 2));
    }

    impl Drop for Fake<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_returned_resource_is_leased_again_by_its_key_alone() {
        let drops = AtomicUsize::new(0);
        let pool = Pool::new(1000);
        let create = || Ok((Fake(&drops), 10));
        drop(pool.lease("a", create).unwrap());
        drop(pool.lease("a", create).unwrap());
        let (a, b) = (pool.lease("a", create).unwrap(), pool.lease("b", create).unwrap());
        let stats = pool.stats();
        assert_eq!((stats.hits, stats.misses), (2, 2));
        assert_eq!((stats.bytes_in_use, stats.bytes_idle, stats.bytes_peak), (20, 0, 20));
        drop((a, b));
        assert_eq!((pool.stats().bytes_in_use, pool.stats().bytes_idle), (0, 20));
        assert_eq!(drops.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_longest_idle_go_when_the_budget_is_passed() {
        let drops = AtomicUsize::new(0);
        let pool = Pool::new(25);
        let lease = |key| pool.lease(key, || Ok((Fake(&drops), 10))).unwrap();
        let leases = [lease(1), lease(2), lease(3)];
        for lease in leases {
            drop(lease);
        }
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        assert_eq!(pool.stats().bytes_idle, 20);
        drop(lease(3));
        assert_eq!(pool.stats().hits, 1, "3 was cached");
        drop(lease(1));
        assert_eq!(pool.stats().misses, 4, "1 had gone");
    }

    #[test]
    fn a_failed_creation_leaves_the_pool_as_it_was() {
        let pool: Pool<u8, bool> = Pool::new(10);
        let fails = pool.lease(1, || Err(Error::OutOfMemory { detail: "fake".into() }));
        assert!(fails.is_err());
        assert_eq!(pool.stats(), PoolStats::default());
        pool.lease(1, || Ok((true, 1))).unwrap();
    }

    #[test]
    fn leases_return_from_any_thread() {
        let pool = Pool::new(u64::MAX);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        drop(pool.lease((), || Ok((true, 1))).unwrap());
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!(stats.hits + stats.misses, 8000);
        assert!(stats.misses <= 8, "no more were created than threads leased at a time");
        assert_eq!((stats.bytes_in_use, stats.bytes_idle), (0, stats.misses));
    }
}
