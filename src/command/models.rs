//! `dp2stage models`.

use dp2stage::store::models::{ListedFile, Standing};

use crate::config::Config;

/// Lists the models that are declared, and which of their files are here.
pub fn list(config: &Config) -> anyhow::Result<()> {
    for model in config.models()?.list() {
        let ready = model.files.iter().all(|file| matches!(file.standing, Standing::Here | Standing::Trusted));
        println!("{}  {}  {}", model.name, model.source, if ready { "ready" } else { "not ready" });
        for file in &model.files {
            println!("  {:<18} {}", file.name, words(file));
        }
        if !ready {
            println!("  in {}, or by `dp2stage models fetch {}`", model.folder.display(), model.name);
        }
    }
    Ok(())
}

fn words(file: &ListedFile) -> String {
    match file.standing {
        Standing::Here => format!("{} bytes, SHA-256 as declared", file.bytes),
        Standing::Trusted => format!("{} bytes, no SHA-256 declared", file.bytes),
        Standing::Wrong => format!("{} bytes, and another SHA-256 than declared", file.bytes),
        Standing::Missing => "not here".into(),
        Standing::Unpinned => "no SHA-256 declared: it would not be loaded".into(),
    }
}

/// Downloads what is not here.
pub async fn fetch(config: &Config, name: &str) -> anyhow::Result<()> {
    let models = config.models()?;
    let came = models.fetch(name).await?;
    println!(
        "{name}: {}",
        if came.is_empty() { "all files are here".into() } else { format!("fetched {}", came.join(", ")) }
    );
    Ok(())
}

/// Prints the digests of a model as config.toml wants them.
pub async fn pin(config: &Config, name: &str) -> anyhow::Result<()> {
    let digests = config.models()?.pin(name).await?;
    println!("[models.{name:?}.files]");
    for (file, digest) in digests {
        println!("{file:?} = \"{digest}\"");
    }
    Ok(())
}
