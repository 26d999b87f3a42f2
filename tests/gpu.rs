//! Third link of the chain of trust: the WGSL on native Vulkan.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use webmoe::engine::Engine;
use webmoe::gpu::{GpuEngine, Open};

const NO_ADAPTER: &str = "there is no adapter: install a Vulkan driver, or set WEBMOE_NO_GPU=1 to skip these tests";

type Job = Box<dyn FnOnce(&Rc<Engine>) + Send>;

/// Where the one engine of all tests works: shaders are compiled once, and its counters are one test's at a time.
static GPU: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (jobs, work) = channel::<Job>();
    thread::spawn(move || {
        let opened = pollster::block_on(GpuEngine::open(Open::default()));
        let gpu = opened.unwrap_or_else(|e| panic!("{e}; {NO_ADAPTER}"));
        println!("{:?}", gpu.adapter());
        let engine = Rc::new(Engine::Gpu(Box::new(gpu)));
        work.into_iter().for_each(|job| job(&engine));
    });
    jobs
});

/// Runs a test's body where the engine is, and passes its panic on.
fn on_gpu(body: impl FnOnce(&Rc<Engine>) + Send + 'static) {
    if std::env::var_os("WEBMOE_NO_GPU").is_some_and(|value| value == "1") {
        println!("skipped: WEBMOE_NO_GPU=1 says that there is no GPU");
        return;
    }
    let (tell, told) = channel();
    let job: Job = Box::new(move |engine| {
        // whoever waits has failed if nobody is there to hear it
        let _ = tell.send(catch_unwind(AssertUnwindSafe(|| body(engine))));
    });
    GPU.send(job).expect(NO_ADAPTER);
    match told.recv().expect(NO_ADAPTER) {
        Ok(()) => {}
        Err(panic) => resume_unwind(panic),
    }
}

macro_rules! tests {
    ($($group:ident::$claim:ident),* $(,)?) => {
        $(
            #[test]
            fn $claim() {
                on_gpu(|engine| pollster::block_on(common::claims::$group::$claim(engine)));
            }
        )*
    };
}

common::claims::on_every_engine!(tests);
common::claims::on_every_gpu!(tests);
