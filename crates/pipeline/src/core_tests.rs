//! The loop where others hold all threads that may block.

use hinomi_base::budget::Budget;
use hinomi_base::clock::Clock;
use hinomi_base::counters::Counters;

use super::*;
use crate::settings::Settings;

fn open(folder: &std::path::Path) -> Service {
    let settings = Settings { data_dir: folder.to_path_buf(), ..Settings::default() };
    let (clock, counters) = (Clock::system(), Counters::default());
    let options = crate::Options { settings, clock, budget: Budget::new(64 << 20), counters };
    crate::open(options).expect("it opens").0
}

#[test]
fn a_checkpoint_waits_for_a_thread_and_the_judging_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).max_blocking_threads(1).enable_all().build().expect("a runtime");
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    runtime.spawn_blocking(move || released.recv());
    let began = runtime.block_on(async {
        let mut service = open(folder.path());
        let alive = |service: &mut Service| {
            let at = service.now();
            let _stored = service.append(vec![Record::Alive(Alive { at })]);
        };
        alive(&mut service);
        let begun = tokio::time::timeout(Duration::from_secs(5), service.begin_checkpoint()).await;
        assert!(begun.is_ok(), "it does not wait for a thread");
        let late = service.encoding.take().expect("it is begun");
        assert!(!late.is_finished());
        // The end comes first, with a checkpoint of its own; the one that is late changes nothing any more.
        let last_turn = Arc::clone(&service.last_turn);
        service.end().await;
        assert_eq!(*last_turn.lock().expect("nobody died"), 2);
        release.send(()).expect("somebody waits");
        late.await.expect("it ends");
        *last_turn.lock().expect("nobody died")
    });
    assert_eq!(began, 2);
    let found = open(folder.path()).found;
    assert!(found.checkpoint_seq >= 2, "both signs of life are in it: {}", found.checkpoint_seq);
}
