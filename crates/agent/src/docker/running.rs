//! What runs, for whoever measures it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics::ContainerRef;

/// All containers that run, by id. Watchers keep it: as many as there are containers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<BTreeMap<String, Arc<ContainerRef>>>>);

impl Running {
    fn map(&self) -> MutexGuard<'_, BTreeMap<String, Arc<ContainerRef>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn show(&self, one: ContainerRef) {
        let mut map = self.map();
        // The same stays the same, so that those who hold it need not compare.
        if map.get(&one.id).is_none_or(|old| **old != one) {
            map.insert(one.id.clone(), Arc::new(one));
        }
    }

    pub(crate) fn rename(&self, id: &str, name: &str) {
        if let Some(one) = self.map().get_mut(id) {
            Arc::make_mut(one).name = name.to_owned();
        }
    }

    pub(crate) fn hide(&self, id: &str) {
        self.map().remove(id);
    }

    pub(crate) fn all(&self) -> Vec<Arc<ContainerRef>> {
        self.map().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_shown_under_its_present_name_until_it_ends() {
        let running = Running::default();
        let one =
            |pid| ContainerRef { id: "a".to_owned(), pid, name: "old".to_owned(), ..Default::default() };
        running.show(one(7));
        let first = running.all();
        running.show(one(7));
        assert!(first.iter().zip(&running.all()).all(|(a, b)| Arc::ptr_eq(a, b)));
        running.show(one(8));
        running.rename("a", "new");
        running.rename("b", "nobody");
        let shown = running.all().into_iter().map(|one| (one.pid, one.name.clone()));
        assert_eq!(shown.collect::<Vec<_>>(), [(8, "new".to_owned())]);
        running.hide("a");
        assert!(running.all().is_empty());
    }
}
