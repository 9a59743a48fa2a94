//! Lays the functions of every start side by side in the program (see order.ld).

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=order.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        let root = env::var("CARGO_MANIFEST_DIR").expect("cargo tells the package's directory");
        println!("cargo:rustc-link-arg-bin=bolt-shim=-Wl,-T,{root}/order.ld");
    }
}
