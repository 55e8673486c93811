//! kill -9 of the server and of the service.

use std::os::unix::fs::{MetadataExt, chown};
use std::time::{Duration, Instant};

use dp2stage::store::embedded::Cluster;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use sqlx::postgres::PgPoolOptions;
use tokio::time::sleep;

use super::process::{Service, copy_made_before, count_rows, durable, server_of, wait_for_end, write_rows};
use crate::support::scratch;

#[tokio::test]
async fn a_killed_server_comes_back_under_an_open_pool() {
    let folder = scratch();
    copy_made_before(folder.path());
    let cluster = Cluster::start(&durable(folder.path())).expect("a cluster");
    write_rows(&cluster.url(), 100).await;
    let pool = PgPoolOptions::new().max_connections(4).connect_with(cluster.connect_options()).await.expect("a pool");
    for _ in 0..2 {
        let before = server_of(cluster.data_dir());
        let killed = Instant::now();
        kill(before, Signal::SIGKILL).expect("the server is killed");
        // the pool may still hold a connection to an orphaned session, so ask for a new server and not just for an answer
        let count = loop {
            assert!(killed.elapsed() < Duration::from_secs(15), "no answer 15 s after the kill");
            sleep(Duration::from_millis(20)).await;
            let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM kept").fetch_one(&pool).await;
            if let (Ok(count), true) = (count, kill(before, None).is_err()) {
                break count;
            }
        };
        eprintln!("recovery after kill -9 of the server: {:?}", killed.elapsed());
        assert_eq!(count, 100);
        assert_ne!(server_of(cluster.data_dir()), before);
    }
    pool.close().await;
    cluster.stop();
}

#[tokio::test]
async fn a_killed_service_takes_its_server_along_and_the_next_one_recovers() {
    let folder = scratch();
    copy_made_before(folder.path());
    let mut service = Service::start(folder.path(), None);
    write_rows(&service.url, 100).await;
    let server = server_of(&folder.path().join("state/data"));
    let killed = Instant::now();
    service.child.kill().expect("the service is killed");
    service.child.wait().expect("the service is reaped");
    // at once, while the former server may still be shutting down
    let cluster = Cluster::start(&durable(folder.path())).expect("a second service");
    eprintln!("new service after kill -9 of the old one: {:?}", killed.elapsed());
    assert_ne!(server_of(cluster.data_dir()), server);
    wait_for_end(server, Duration::from_secs(1));
    assert_eq!(count_rows(&cluster.url()).await, 100);
    cluster.stop();
}

#[tokio::test]
async fn a_killed_service_leaves_no_server_behind() {
    let folder = scratch();
    copy_made_before(folder.path());
    let mut service = Service::start(folder.path(), None);
    let data = folder.path().join("state/data");
    let server = server_of(&data);
    service.child.kill().expect("the service is killed");
    service.child.wait().expect("the service is reaped");
    wait_for_end(server, Duration::from_secs(20));
    assert!(!data.join("postmaster.pid").exists(), "the server shut down and cleaned up");
}

#[tokio::test]
async fn server_and_service_killed_together_recover() {
    let folder = scratch();
    copy_made_before(folder.path());
    let mut service = Service::start(folder.path(), None);
    write_rows(&service.url, 100).await;
    let id = i32::try_from(service.child.id()).expect("a process id");
    let server = server_of(&folder.path().join("state/data"));
    kill(Pid::from_raw(id), Signal::SIGSTOP).expect("the service is stopped");
    // the service cannot reap it now, so the server stays a zombie until the service dies too
    kill(server, Signal::SIGKILL).expect("the server is killed");
    service.child.kill().expect("the service is killed");
    let killed = Instant::now();
    service.child.wait().expect("the service is reaped");
    let cluster = Cluster::start(&durable(folder.path())).expect("a second service");
    eprintln!("recovery after kill -9 of both: {:?}", killed.elapsed());
    assert_eq!(count_rows(&cluster.url()).await, 100);
    cluster.stop();
}

#[tokio::test]
async fn an_ordinary_user_runs_the_server_as_himself() {
    let folder = scratch();
    let user = match (geteuid().is_root(), User::from_name("nobody").ok().flatten()) {
        (true, Some(nobody)) => {
            let ids = (nobody.uid.as_raw(), nobody.gid.as_raw());
            chown(folder.path(), Some(ids.0), Some(ids.1)).expect("a folder for nobody");
            let binary = std::env::current_exe().expect("this binary");
            let open = binary.ancestors().all(|at| at.metadata().is_ok_and(|meta| meta.mode() & 0o001 != 0));
            if !open {
                eprintln!("skipped: the account nobody cannot pass through to {}", binary.display());
                return;
            }
            Some(ids)
        }
        (true, None) => return eprintln!("skipped: running as root, and there is no account nobody"),
        (false, _) => None,
    };
    let mut service = Service::start(folder.path(), user);
    let data = folder.path().join("state/data");
    let owner = data.metadata().expect("a data folder").uid();
    assert_eq!(owner, user.map_or(geteuid().as_raw(), |(uid, _)| uid));
    // root may connect to the user's socket as well
    write_rows(&service.url, 1).await;
    let server = server_of(&data);
    drop(service.child.stdin.take());
    assert!(service.child.wait().expect("the service ends").success());
    wait_for_end(server, Duration::from_secs(1));
}
