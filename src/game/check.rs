//! Refuses metadata that contradicts itself: such a variant could never run, or not as meant.

use crate::game::metadata::{Driver, Metadata, MetadataError, Proton, Range, Vendor};

/// Longest text in a field. Longer ones are a mistake or an attack on whoever prints them.
const LONGEST: usize = 256;
/// Most entries in a list.
const MOST: usize = 256;

/// Checks every field against the others.
pub(super) fn whole(metadata: &Metadata) -> Result<(), MetadataError> {
    if let Some(level) = metadata.cpu.level.filter(|level| !(1..=4).contains(level)) {
        return fault("cpu.level", format!("{level} is no x86-64 level"), "write 1, 2, 3 or 4");
    }
    if metadata.cpu.level.is_some()
        && let Some(arch) = metadata.cpu.arch.as_deref().filter(|arch| *arch != "amd64")
    {
        let problem = format!("levels are amd64's, and cpu.arch is {arch:?}");
        return fault("cpu.level", problem, "remove one of the two");
    }
    for (driver, range) in &metadata.gpu.drivers {
        let name = match driver {
            Driver::Nvidia => "gpu.drivers.nvidia",
            Driver::Mesa => "gpu.drivers.mesa",
        };
        is_possible(name, range)?;
    }
    every_vendor_has_a_driver(metadata)?;
    proton(&metadata.proton)?;
    for extension in &metadata.vulkan.extensions {
        if !extension.starts_with("VK_") {
            let problem = format!("{extension:?} is no Vulkan extension");
            return fault("vulkan.extensions", problem, "write its name, which starts with VK_");
        }
    }
    figures(metadata)?;
    texts(metadata)
}

fn fault<T>(field: &str, problem: String, fix: &str) -> Result<T, MetadataError> {
    Err(MetadataError { field: field.to_owned(), problem, fix: fix.to_owned() })
}

fn is_possible(field: &str, range: &Range) -> Result<(), MetadataError> {
    match (&range.min, &range.max) {
        (Some(min), Some(max)) if !min.is_within(max) => fault(
            field,
            format!("no version is both {min} or newer and {max} or older"),
            "give a max that is not below min",
        ),
        _ => Ok(()),
    }
}

fn every_vendor_has_a_driver(metadata: &Metadata) -> Result<(), MetadataError> {
    let gpu = &metadata.gpu;
    if gpu.drivers.is_empty() {
        return Ok(());
    }
    let drives = |driver, vendor| driver == Driver::Mesa || vendor == Vendor::Nvidia;
    for vendor in &gpu.vendors {
        if !gpu.drivers.keys().any(|driver| drives(*driver, *vendor)) {
            let problem = format!("no driver listed here drives {vendor:?}").to_lowercase();
            return fault(
                "gpu.drivers",
                problem,
                "add mesa, or take the vendor out of gpu.vendors",
            );
        }
    }
    Ok(())
}

fn proton(proton: &Proton) -> Result<(), MetadataError> {
    let range = Range { min: proton.min.clone(), max: proton.max.clone() };
    is_possible("proton", &range)?;
    let asks = range != Range::default() || !proton.builds.is_empty();
    if proton.bundled.is_some() && asks {
        let problem = "the image brings a Proton and asks for one".to_owned();
        return fault("proton.bundled", problem, "remove bundled, or min, max and builds");
    }
    Ok(())
}

fn figures(metadata: &Metadata) -> Result<(), MetadataError> {
    for result in &metadata.measured {
        let low = result.low_1_percent_fps;
        let figures = [Some(result.average_fps), low];
        if figures.into_iter().flatten().any(|fps| !fps.is_finite() || fps < 0.0) {
            let problem = "frames per second that are negative or no number".to_owned();
            return fault("measured", problem, "write what was measured");
        }
        if low.is_some_and(|low| low > result.average_fps) {
            let problem = "low_1_percent_fps is above average_fps".to_owned();
            return fault("measured", problem, "write the average of all frames as average_fps");
        }
    }
    let size = &metadata.size;
    let many = metadata.measured.len().max(metadata.anti_cheat.len());
    if many.max(metadata.vulkan.extensions.len()).max(metadata.proton.builds.len()) > MOST {
        return fault("the lists", format!("one has more than {MOST} entries"), "shorten it");
    }
    if size.download_bytes == Some(0) || size.installed_bytes == Some(0) {
        return fault("size", "0 bytes".to_owned(), "leave out a size that is not known");
    }
    Ok(())
}

fn texts(metadata: &Metadata) -> Result<(), MetadataError> {
    let wine = &metadata.wine;
    let mut all = vec![
        ("title", metadata.title.as_deref()),
        ("cpu.arch", metadata.cpu.arch.as_deref()),
        ("proton.bundled", metadata.proton.bundled.as_deref()),
        ("wine.version", wine.version.as_deref()),
        ("wine.dxvk", wine.dxvk.as_deref()),
        ("wine.vkd3d_proton", wine.vkd3d_proton.as_deref()),
    ];
    all.extend(metadata.proton.builds.iter().map(|text| ("proton.builds", Some(text.as_str()))));
    let extensions = metadata.vulkan.extensions.iter();
    all.extend(extensions.map(|text| ("vulkan.extensions", Some(text.as_str()))));
    all.extend(metadata.anti_cheat.iter().map(|a| ("anti_cheat", Some(a.name.as_str()))));
    for result in &metadata.measured {
        all.push(("measured.gpu", Some(&result.gpu)));
        all.push(("measured.driver", result.driver.as_deref()));
        all.push(("measured.resolution", result.resolution.as_deref()));
    }
    for (field, text) in all {
        let Some(text) = text else { continue };
        if text.trim().is_empty() {
            return fault(
                field,
                "the text is empty".to_owned(),
                "write it, or leave the field out",
            );
        }
        if text.len() > LONGEST || text.chars().any(char::is_control) {
            let problem = format!("longer than {LONGEST} bytes, or with control characters");
            return fault(field, problem, "write a short plain text");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_name_field_and_fix() {
        for (toml, field) in [
            ("cpu.level = 5", "cpu.level"),
            ("cpu = { level = 2, arch = 'arm64' }", "cpu.level"),
            ("gpu.drivers.nvidia = { min = '550', max = '535' }", "gpu.drivers.nvidia"),
            ("gpu = { vendors = ['amd'], drivers = { nvidia = {} } }", "gpu.drivers"),
            ("proton = { min = '9.0', max = '8' }", "proton"),
            ("proton = { bundled = 'GE-Proton9-20', min = '8.0' }", "proton.bundled"),
            ("vulkan.extensions = ['EXT_mesh_shader']", "vulkan.extensions"),
            ("size.download_bytes = 0", "size"),
            ("title = ''", "title"),
            ("title = \"a\\u001bb\"", "title"),
            ("measured = [{ gpu = 'x', average_fps = nan }]", "measured"),
            ("measured = [{ gpu = 'x', average_fps = 5.0, low_1_percent_fps = 9.0 }]", "measured"),
        ] {
            let error = Metadata::from_toml(toml).expect_err(toml);
            assert_eq!(error.field, field, "{toml}: {error}");
        }
        let possible = "gpu = { vendors = ['nvidia'], drivers = { nvidia = { min = '535.98', \
                        max = '535' } } }";
        assert!(Metadata::from_toml(possible).is_ok(), "535.98 lies within 535");
    }
}
