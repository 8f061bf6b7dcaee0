//! One line for each public item.

use std::collections::{BTreeMap, BTreeSet};

use quote::ToTokens;
use syn::{Fields, Generics, ImplItem, Item, ItemImpl, TraitItem, Type, UseTree};

use super::sources::{Crate, Module, derived, features_of, is_public, is_test};

/// All public items, sorted.
pub fn lines(sources: &Crate) -> Vec<String> {
    let mut list = List { lines: BTreeSet::new(), types: BTreeMap::new() };
    list.module(sources, sources.root(), "");
    list.implementations(sources);
    list.lines.into_iter().collect()
}

struct List {
    lines: BTreeSet<String>,
    /// Public types and traits: the name in the sources, and the name that callers use.
    types: BTreeMap<String, String>,
}

impl List {
    fn add(&mut self, line: impl Into<String>, features: &[String]) {
        let features: BTreeSet<&str> = features.iter().map(String::as_str).collect();
        let features: Vec<&str> = features.into_iter().collect();
        let line = line.into();
        self.lines.insert(match features.is_empty() {
            true => line,
            false => format!("{line} [{}]", features.join(", ")),
        });
    }

    /// What a public module holds and exports.
    fn module(&mut self, sources: &Crate, module: &Module, prefix: &str) {
        for item in &module.items {
            let features = [module.features.clone(), features_of(attributes(item))].concat();
            match item {
                Item::Mod(child) if is_public(&child.vis) && !is_test(&child.attrs) => {
                    self.add(format!("mod {prefix}{}", child.ident), &features);
                    let path = [module.path.clone(), vec![child.ident.to_string()]].concat();
                    self.module(sources, &sources.0[&path], &format!("{prefix}{}::", child.ident));
                }
                Item::Use(item) if is_public(&item.vis) => {
                    for (path, name) in leaves(&item.tree) {
                        self.export(sources, module, &path, &format!("{prefix}{name}"), &features);
                    }
                }
                item => {
                    self.item(item, prefix, None, &features);
                }
            }
        }
    }

    /// An item that a module exports from where it is defined.
    fn export(
        &mut self,
        sources: &Crate,
        module: &Module,
        path: &[String],
        name: &str,
        features: &[String],
    ) {
        let first = match path.first().map(String::as_str) {
            Some("crate") => &path[1..],
            _ => path,
        };
        let start = [&module.path[..], &first[..1]].concat();
        if !sources.0.contains_key(&start) {
            return self.add(format!("use {}", path.join("::")), features);
        }
        let item = path.last().expect("a path has a name");
        let below = |module: &&Module| module.path.starts_with(&start);
        let defined: Vec<(&Module, &Item)> = sources
            .0
            .values()
            .filter(below)
            .flat_map(|module| module.items.iter().map(move |found| (module, found)))
            .filter(|(_, found)| named(found).as_deref() == Some(item))
            .collect();
        let [(home, defined)] = defined[..] else {
            panic!("{} definitions of {item} below {}", defined.len(), start.join("::"));
        };
        let prefix =
            name.rsplit_once("::").map_or(String::new(), |(prefix, _)| format!("{prefix}::"));
        let alias = name.rsplit("::").next().filter(|alias| alias != item);
        let features = [features, &home.features].concat();
        assert!(self.item(defined, &prefix, alias, &features), "{item} is not public");
    }

    /// An item where it is defined, and whether it is public.
    fn item(
        &mut self,
        item: &Item,
        prefix: &str,
        alias: Option<&str>,
        features: &[String],
    ) -> bool {
        let Some(source_name) = named(item) else { return false };
        let name = format!("{prefix}{}", alias.unwrap_or(&source_name));
        let flags = flags(attributes(item));
        match item {
            Item::Struct(item) if is_public(&item.vis) => {
                self.add(format!("struct {name}{}{flags}", generics(&item.generics)), features);
                let hidden = item.fields.iter().any(|field| !is_public(&field.vis));
                if hidden {
                    self.add(format!("struct {name}: private fields"), features);
                }
                for (at, field) in item.fields.iter().enumerate().filter(|(_, f)| is_public(&f.vis))
                {
                    let label = field.ident.as_ref().map_or(at.to_string(), ToString::to_string);
                    let features = [features, &features_of(&field.attrs)].concat();
                    self.add(format!("struct {name}: pub {label}: {}", text(&field.ty)), &features);
                }
            }
            Item::Enum(item) if is_public(&item.vis) => {
                self.add(format!("enum {name}{}{flags}", generics(&item.generics)), features);
                for variant in &item.variants {
                    let (ident, flags) = (&variant.ident, self::flags(&variant.attrs));
                    let features = [features, &features_of(&variant.attrs)].concat();
                    let fields = fields(&variant.fields);
                    self.add(format!("enum {name}: {name}::{ident}{fields}{flags}"), &features);
                }
            }
            Item::Trait(item) if is_public(&item.vis) => {
                let bounds = text(&item.supertraits);
                let colon = if bounds.is_empty() { "" } else { ": " };
                let head =
                    format!("trait {name}{}{colon}{bounds}{flags}", generics(&item.generics));
                self.add(head, features);
                for inner in &item.items {
                    let line = match inner {
                        TraitItem::Fn(inner) => text(&inner.sig),
                        TraitItem::Const(inner) => {
                            format!("const {}: {}", inner.ident, text(&inner.ty))
                        }
                        TraitItem::Type(inner) => format!("type {}", inner.ident),
                        _ => continue,
                    };
                    self.add(format!("trait {name}: {line}"), features);
                }
            }
            Item::Type(item) if is_public(&item.vis) => {
                let line = format!("type {name}{} = {}", generics(&item.generics), text(&item.ty));
                self.add(line, features);
            }
            Item::Const(item) if is_public(&item.vis) => {
                self.add(format!("const {name}: {}", text(&item.ty)), features);
            }
            Item::Fn(item) if is_public(&item.vis) => {
                let signature = text(&item.sig);
                let (before, after) = signature.split_once(&source_name).expect("a name");
                self.add(format!("{before}{name}{after}{flags}"), features);
            }
            _ => return false,
        }
        for (derived, with) in derived(attributes(item)) {
            self.add(format!("impl {derived} for {name}"), &[features, &with].concat());
        }
        self.types.insert(source_name, name);
        true
    }

    /// Methods and traits of the public types.
    fn implementations(&mut self, sources: &Crate) {
        let private: BTreeSet<String> = sources
            .0
            .values()
            .flat_map(|module| &module.items)
            .filter(|item| matches!(item, Item::Trait(_)))
            .filter_map(named)
            .filter(|name| !self.types.contains_key(name))
            .collect();
        for module in sources.0.values() {
            for item in &module.items {
                let Item::Impl(item) = item else { continue };
                let features = [module.features.clone(), features_of(&item.attrs)].concat();
                if !is_test(&item.attrs) {
                    self.implementation(item, &private, &features);
                }
            }
        }
    }

    fn implementation(&mut self, item: &ItemImpl, private: &BTreeSet<String>, features: &[String]) {
        let is_ours = last_name(&item.self_ty).is_some_and(|name| self.types.contains_key(&name));
        let head = format!("impl{}", generics(&item.generics));
        let (self_ty, bounds) = (text(&item.self_ty), text(&item.generics.where_clause));
        let self_ty = self_ty.trim_start_matches("crate::").trim_start_matches("super::");
        let space = if bounds.is_empty() { "" } else { " " };
        if let Some((_, path, _)) = &item.trait_ {
            let name = path.segments.last().expect("a path has a name").ident.to_string();
            if (is_ours || self.types.contains_key(&name)) && !private.contains(&name) {
                self.add(format!("{head} {} for {self_ty}{space}{bounds}", text(path)), features);
            }
            return;
        }
        if !is_ours {
            return;
        }
        for inner in &item.items {
            let (line, attributes) = match inner {
                ImplItem::Fn(inner) if is_public(&inner.vis) => (text(&inner.sig), &inner.attrs),
                ImplItem::Const(inner) if is_public(&inner.vis) => {
                    (format!("const {}: {}", inner.ident, text(&inner.ty)), &inner.attrs)
                }
                _ => continue,
            };
            if is_test(attributes) {
                continue;
            }
            let features = [features, &features_of(attributes)].concat();
            let flags = flags(attributes);
            self.add(format!("{head} {self_ty}{space}{bounds}: {line}{flags}"), &features);
        }
    }
}

fn attributes(item: &Item) -> &[syn::Attribute] {
    match item {
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn named(item: &Item) -> Option<String> {
    Some(match item {
        Item::Struct(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Const(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        _ => return None,
    })
}

/// The paths that a `use` names, each with the name it gets.
fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => {
            let below = leaves(&path.tree).into_iter();
            below
                .map(|(rest, name)| ([vec![path.ident.to_string()], rest].concat(), name))
                .collect()
        }
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(name) => vec![(vec![name.ident.to_string()], name.rename.to_string())],
        UseTree::Glob(_) => panic!("a glob exports what nobody has listed"),
    }
}

/// The name of a type, without its path and its arguments.
fn last_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        Type::Reference(reference) => last_name(&reference.elem),
        _ => None,
    }
}

/// The attributes that callers notice.
fn flags(attributes: &[syn::Attribute]) -> String {
    let flags = ["non_exhaustive", "must_use"];
    let has = |flag: &&str| attributes.iter().any(|attribute| attribute.path().is_ident(flag));
    flags.iter().filter(|flag| has(flag)).map(|flag| format!(", {flag}")).collect()
}

fn fields(fields: &Fields) -> String {
    let of = |field: &syn::Field| {
        let name = field.ident.as_ref().map_or(String::new(), |name| format!("{name}: "));
        format!("{name}{}", text(&field.ty))
    };
    let list: Vec<String> = fields.iter().map(of).collect();
    match fields {
        Fields::Unit => String::new(),
        Fields::Named(_) => format!(" {{ {} }}", list.join(", ")),
        Fields::Unnamed(_) => format!("({})", list.join(", ")),
    }
}

/// Generic parameters with their bounds and defaults.
fn generics(generics: &Generics) -> String {
    let list: Vec<String> = generics.params.iter().map(text).collect();
    if list.is_empty() { String::new() } else { format!("<{}>", list.join(", ")) }
}

/// Source text, spaced as rustfmt would.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (from, to) in [
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ::", "::"),
        (":: ", "::"),
        (" ,", ","),
        (" :", ":"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        ("& ", "&"),
        ("? ", "?"),
        (" ;", ";"),
        (",)", ")"),
        (",>", ">"),
        ("->(", "-> ("),
        ("mut[", "mut ["),
        ("dyn(", "dyn ("),
        (":(", ": ("),
        (",(", ", ("),
        ("=(", "= ("),
    ] {
        text = text.replace(from, to);
    }
    text.replace("->", " -> ").replace("  ", " ").replace(" ->  ", " -> ").replace("  ", " ")
}
