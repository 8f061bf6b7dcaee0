//! The sources of a crate as syntax, with the features that each module needs.

use std::collections::BTreeMap;

use syn::{Attribute, Item, Meta, Token, Visibility};

/// A module: its path below the crate, its features, and its items.
pub struct Module {
    pub path: Vec<String>,
    pub features: Vec<String>,
    pub items: Vec<Item>,
}

/// A crate without its tests.
pub struct Crate(pub BTreeMap<Vec<String>, Module>);

impl Crate {
    /// Follows the `mod` items from `lib.rs` on. `read` gives the text of a file below `src`.
    pub fn read(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut modules = BTreeMap::new();
        let text = read("lib.rs").expect("there is a lib.rs");
        let items = syn::parse_file(&text).unwrap_or_else(|e| panic!("lib.rs: {e}")).items;
        add(&mut modules, read, Module { path: vec![], features: vec![], items });
        Self(modules)
    }

    pub fn root(&self) -> &Module {
        &self.0[&vec![]]
    }
}

fn add(
    modules: &mut BTreeMap<Vec<String>, Module>,
    read: &dyn Fn(&str) -> Option<String>,
    module: Module,
) {
    for item in &module.items {
        let Item::Mod(child) = item else { continue };
        if is_test(&child.attrs) {
            continue;
        }
        let mut path = module.path.clone();
        path.push(child.ident.to_string());
        let mut features = module.features.clone();
        features.extend(features_of(&child.attrs));
        let items = match &child.content {
            Some((_, items)) => items.clone(),
            None => {
                let name = path.join("/");
                let text = read(&format!("{name}.rs")).or_else(|| read(&format!("{name}/mod.rs")));
                let text = text.unwrap_or_else(|| panic!("module {name} has no file"));
                syn::parse_file(&text).unwrap_or_else(|e| panic!("{name}: {e}")).items
            }
        };
        add(modules, read, Module { path, features, items });
    }
    modules.insert(module.path.clone(), module);
}

pub fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether an item is for tests alone.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|a| a.path().is_ident("cfg")).any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        list.tokens
            .to_string()
            .split(|c: char| !c.is_alphanumeric())
            .any(|w| w == "test" || w == "doctest")
    })
}

/// The features of `cfg(feature = "...")` and of an `all` or `any` of them.
pub fn features_of(attributes: &[Attribute]) -> Vec<String> {
    let cfgs = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let cfgs = cfgs.filter_map(|attribute| match &attribute.meta {
        Meta::List(list) => Some(list.tokens.to_string()),
        _ => None,
    });
    let named = |text: String| -> Vec<String> {
        text.split("feature = \"")
            .skip(1)
            .filter_map(|t| Some(t.split_once('"')?.0.to_owned()))
            .collect()
    };
    cfgs.flat_map(named).collect()
}

/// The traits that an item derives, also only with a feature.
pub fn derived(attributes: &[Attribute]) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for attribute in attributes {
        let mut add = |meta: &Meta, features: &[String]| {
            let Meta::List(list) = meta else { return };
            let paths = list.parse_args_with(
                syn::punctuated::Punctuated::<syn::Path, Token![,]>::parse_terminated,
            );
            for path in paths.into_iter().flatten() {
                let name = path.segments.last().expect("a path has a name").ident.to_string();
                found.push((name, features.to_vec()));
            }
        };
        if attribute.path().is_ident("derive") {
            add(&attribute.meta, &[]);
        }
        let Meta::List(list) = &attribute.meta else { continue };
        if attribute.path().is_ident("cfg_attr") {
            let metas = list
                .parse_args_with(syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated);
            let metas: Vec<Meta> = metas.into_iter().flatten().collect();
            let text = list.tokens.to_string();
            let feature = text.split("feature = \"").nth(1).and_then(|t| t.split_once('"'));
            let features: Vec<String> =
                feature.iter().map(|(name, _)| (*name).to_owned()).collect();
            for meta in metas.iter().filter(|meta| meta.path().is_ident("derive")) {
                add(meta, &features);
            }
        }
    }
    found
}
