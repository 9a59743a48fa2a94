//! Lays the functions of the verbs of every day side by side in the program (see contrib/order.ld).

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=contrib/order.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        let root = env::var("CARGO_MANIFEST_DIR").expect("cargo tells the package's directory");
        println!("cargo:rustc-link-arg-bin=bolt=-Wl,-T,{root}/contrib/order.ld");
    }
}
