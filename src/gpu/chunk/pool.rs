//! A pool of reusable resources: a lease returns what it holds when it is dropped, on any thread.
//!
//! Generic over what is pooled, and tested with fakes. Idle resources are cached up to a byte
//! budget; beyond it the one that has been idle longest goes first. A second budget bounds all
//! resources, idle or not.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

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
    budget: u64,
    stats: PoolStats,
}

struct Item<K, T> {
    key: K,
    bytes: u64,
    resource: T,
}

impl<K: PartialEq, T: Pooled> Pool<K, T> {
    /// A pool that keeps at most `idle_budget` bytes of idle resources, and has at most `budget`
    /// bytes at all.
    pub(crate) fn new(idle_budget: u64, budget: u64) -> Self {
        let (idle, stats) = (VecDeque::new(), PoolStats::default());
        Self(Arc::new(Mutex::new(Shelf { idle, idle_budget, budget, stats })))
    }

    /// An idle resource of this key, or what `create` makes: a resource of `bytes()` bytes. Idle
    /// resources give way where it would exceed the budget. A lease of an idle resource calls neither.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the resources on lease leave too little of the budget, or what
    /// `create` fails with.
    pub(crate) fn lease(
        &self,
        key: K,
        bytes: impl FnOnce() -> u64,
        create: impl FnOnce() -> Result<T>,
    ) -> Result<Lease<K, T>> {
        if let Some(item) = lock(&self.0).take(&key) {
            return Ok(Lease { item: Some(item), pool: Self(self.0.clone()) });
        }
        let bytes = bytes();
        let surplus = lock(&self.0).reserve(bytes)?;
        // Freed outside the lock, and nothing is created under it: both may take long.
        drop(surplus);
        let resource = create().inspect_err(|_| lock(&self.0).stats.bytes_in_use -= bytes)?;
        let mut shelf = lock(&self.0);
        shelf.stats.misses += 1;
        let total = shelf.stats.bytes_in_use + shelf.stats.bytes_idle;
        shelf.stats.bytes_peak = shelf.stats.bytes_peak.max(total);
        drop(shelf);
        let item = Item { key, bytes, resource };
        Ok(Lease { item: Some(item), pool: Self(self.0.clone()) })
    }

    /// Drops all idle resources.
    pub(crate) fn trim(&self) {
        let idle = {
            let mut shelf = lock(&self.0);
            shelf.stats.bytes_idle = 0;
            std::mem::take(&mut shelf.idle)
        };
        drop(idle);
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
    /// The idle resource of this key that was used last, which is the likeliest to be in a cache.
    fn take(&mut self, key: &K) -> Option<Item<K, T>>
    where
        K: PartialEq,
    {
        let found = self.idle.iter().rposition(|item| item.key == *key);
        let item = self.idle.remove(found?)?;
        self.stats.hits += 1;
        self.stats.bytes_idle -= item.bytes;
        self.stats.bytes_in_use += item.bytes;
        Some(item)
    }

    /// Counts `bytes` bytes as used, and returns the idle resources that give way.
    fn reserve(&mut self, bytes: u64) -> Result<Vec<Item<K, T>>> {
        let held = self.stats.bytes_in_use;
        let after = held.saturating_add(bytes);
        if after > self.budget {
            let detail = format!("the codec's budget is {} bytes", self.budget);
            return Err(Error::OutOfMemory { required: bytes, held, detail });
        }
        self.stats.bytes_in_use = after;
        Ok(self.drop_idle(self.budget - after))
    }

    /// The longest idle resources, as many as exceed `budget` bytes.
    fn drop_idle(&mut self, budget: u64) -> Vec<Item<K, T>> {
        let mut surplus = Vec::new();
        while self.stats.bytes_idle > budget {
            let Some(item) = self.idle.pop_front() else { break };
            self.stats.bytes_idle -= item.bytes;
            surplus.push(item);
        }
        surplus
    }

    /// Returns what is to be dropped.
    fn take_back(&mut self, item: Item<K, T>) -> Vec<Item<K, T>> {
        self.stats.bytes_in_use -= item.bytes;
        if !item.resource.reusable() {
            return vec![item];
        }
        self.stats.bytes_idle += item.bytes;
        self.idle.push_back(item);
        self.drop_idle(self.idle_budget)
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
        let pool = Pool::new(1000, u64::MAX);
        let mut lease = pool.lease((), || 10, || Ok(true)).unwrap();
        *lease = false;
        drop(lease);
        assert_eq!((pool.stats().bytes_in_use, pool.stats().bytes_idle), (0, 0));
        assert!(*pool.lease((), || 10, || Ok(true)).unwrap());
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
        let pool = Pool::new(1000, u64::MAX);
        let create = || Ok(Fake(&drops));
        drop(pool.lease("a", || 10, create).unwrap());
        drop(pool.lease("a", || 10, create).unwrap());
        let (a, b) =
            (pool.lease("a", || 10, create).unwrap(), pool.lease("b", || 10, create).unwrap());
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
        let pool = Pool::new(25, u64::MAX);
        let lease = |key| pool.lease(key, || 10, || Ok(Fake(&drops))).unwrap();
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
        let pool: Pool<u8, bool> = Pool::new(10, 10);
        let fails = pool.lease(1, || 10, || Err(Error::EmptyBatch { dim: 1 }));
        assert!(fails.is_err());
        assert_eq!(pool.stats(), PoolStats::default());
        pool.lease(1, || 10, || Ok(true)).unwrap();
    }

    #[test]
    fn idle_resources_give_way_to_what_the_budget_has_no_room_for() {
        let drops = AtomicUsize::new(0);
        let pool = Pool::new(u64::MAX, 30);
        let lease = |key, bytes| pool.lease(key, || bytes, || Ok(Fake(&drops)));
        let (held, idle) = (lease(1, 10).unwrap(), [lease(2, 8).unwrap(), lease(3, 8).unwrap()]);
        drop(idle);
        // The longest idle gives way, and only it.
        let larger = lease(4, 10).unwrap();
        assert_eq!((drops.load(Ordering::Relaxed), pool.stats().bytes_idle), (1, 8));
        let error = lease(5, 11).err().unwrap();
        assert!(matches!(error, Error::OutOfMemory { required: 11, held: 20, .. }), "{error}");
        assert_eq!(pool.stats().bytes_idle, 8, "a refusal costs nothing");
        pool.trim();
        assert_eq!((drops.load(Ordering::Relaxed), pool.stats().bytes_idle), (2, 0));
        assert!(lease(5, 11).is_err());
        drop((held, larger));
        assert!(lease(5, 30).is_ok());
        assert!(lease(6, u64::MAX).is_err());
        assert!(pool.stats().bytes_peak <= 30);
    }

    #[test]
    fn leases_return_from_any_thread() {
        let pool = Pool::new(u64::MAX, u64::MAX);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        drop(pool.lease((), || 1, || Ok(true)).unwrap());
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
