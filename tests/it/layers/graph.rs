//! Which file imports which: paths resolved through modules and re-exports to where a name is
//! defined. Tests inside the sources are left out. Paths inside macro calls are not seen.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Path, UseTree, Visibility};

/// Sources by path below `src`, such as `gpu/device/mod.rs`.
pub type Sources = BTreeMap<String, String>;
/// From each file to the files it imports from.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// A module path below the crate, such as `gpu::device`.
type Module = Vec<String>;

struct File {
    path: String,
    syntax: syn::File,
}

/// All imports of all files.
pub fn graph(sources: &Sources) -> Graph {
    let parse = |(path, text): (&String, &String)| {
        let syntax = syn::parse_file(text).unwrap_or_else(|e| panic!("{path}: {e}"));
        (module_of(path), File { path: path.clone(), syntax })
    };
    let files: BTreeMap<Module, File> = sources.iter().map(parse).collect();
    let mut graph = Graph::new();
    let tested = test_modules(&files);
    for (module, file) in &files {
        if tested.iter().any(|tests| module.starts_with(tests)) {
            continue;
        }
        let mut paths = Paths::default();
        paths.visit_file(&file.syntax);
        let resolved = |path: &Vec<String>| resolve(&files, module, path, 0);
        let imports = paths.imported.iter().filter_map(resolved);
        // A module's re-exports of what its own folder defines are no imports.
        let foreign = |target: &String| !module_of(target).starts_with(module);
        let targets = imports.chain(paths.exported.iter().filter_map(resolved).filter(foreign));
        graph.insert(file.path.clone(), targets.filter(|t| *t != file.path).collect());
    }
    graph
}

/// A circle among the files, if there is one: each imports from the next, the last from the first.
pub fn circle(graph: &Graph) -> Option<Vec<String>> {
    fn visit<'a>(
        graph: &'a Graph,
        file: &'a str,
        trail: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(at) = trail.iter().position(|seen| *seen == file) {
            return Some(trail[at..].iter().map(|file| (*file).to_owned()).collect());
        }
        if done.contains(file) {
            return None;
        }
        trail.push(file);
        let next = graph.get(file).into_iter().flatten();
        let found = next.into_iter().find_map(|next| visit(graph, next, trail, done));
        trail.pop();
        done.insert(file);
        found
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|file| visit(graph, file, &mut Vec::new(), &mut done))
}

fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { vec![] } else { path.split('/').map(str::to_owned).collect() }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(attribute.parse_args::<Path>(), Ok(path) if path.is_ident("test"))
    })
}

/// Modules in files of their own that are compiled for tests alone.
fn test_modules(files: &BTreeMap<Module, File>) -> Vec<Module> {
    let mut found = Vec::new();
    for (module, file) in files {
        for item in &file.syntax.items {
            if let Item::Mod(ItemMod { attrs, ident, content: None, .. }) = item
                && is_test(attrs)
            {
                found.push([&module[..], &[ident.to_string()]].concat());
            }
        }
    }
    found
}

/// The paths that a file's own code names: what it uses, and what it re-exports.
#[derive(Default)]
struct Paths {
    imported: Vec<Vec<String>>,
    exported: Vec<Vec<String>>,
    /// Modules with a body that enclose the code at hand.
    depth: usize,
}

impl Paths {
    /// A path as seen from the file's own module: each `super` leaves an inner module first.
    fn as_seen_from_the_file(&self, path: &[String]) -> Vec<String> {
        let leaving = path.iter().take_while(|name| *name == "super").count().min(self.depth);
        match leaving {
            0 => path.to_vec(),
            _ => [&["self".to_owned()], &path[leaving..]].concat(),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &vec![],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.depth += 1;
        visit::visit_item_mod(self, item);
        self.depth -= 1;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &mut vec![], &mut |path, _| {
            found.push(self.as_seen_from_the_file(path))
        });
        match item.vis {
            Visibility::Inherited => self.imported.extend(found),
            _ => self.exported.extend(found),
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.imported.push(self.as_seen_from_the_file(&names));
        }
        visit::visit_path(self, path);
    }
}

/// Calls `each` with every path of a `use` and the name it binds.
fn leaves(tree: &UseTree, prefix: &mut Vec<String>, each: &mut impl FnMut(&[String], String)) {
    let last = |prefix: &[String]| prefix.last().cloned().unwrap_or_default();
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            leaves(&path.tree, prefix, each);
            prefix.pop();
        }
        UseTree::Name(name) if name.ident == "self" => each(prefix, last(prefix)),
        UseTree::Name(name) => {
            prefix.push(name.ident.to_string());
            each(prefix, last(prefix));
            prefix.pop();
        }
        UseTree::Rename(name) => {
            prefix.push(name.ident.to_string());
            each(prefix, name.rename.to_string());
            prefix.pop();
        }
        UseTree::Glob(_) => each(prefix, "*".to_owned()),
        UseTree::Group(group) => {
            group.items.iter().for_each(|item| leaves(item, prefix, each));
        }
    }
}

/// The file that defines what a path in `module` names; none for what lies outside the crate.
fn resolve(
    files: &BTreeMap<Module, File>,
    module: &Module,
    path: &[String],
    depth: usize,
) -> Option<String> {
    let (mut at, mut rest) = (module.clone(), path);
    let mut absolute = false;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            _ => break,
        }
        (rest, absolute) = (after, true);
    }
    while let Some((first, after)) = rest.split_first() {
        let child = [&at[..], std::slice::from_ref(first)].concat();
        if files.contains_key(&child) {
            (at, rest, absolute) = (child, after, true);
            continue;
        }
        // A re-export, or an import that another path goes through.
        let mut target = None;
        for item in files.get(&at).map_or(&[][..], |file| &file.syntax.items) {
            if let Item::Use(item) = item {
                leaves(&item.tree, &mut vec![], &mut |path, name| {
                    if name == *first && path != rest {
                        target = Some([path, after].concat());
                    }
                });
            }
        }
        return match target {
            Some(target) if depth < 8 => resolve(files, &at, &target, depth + 1),
            _ if absolute => files.get(&at).map(|file| file.path.clone()),
            _ => None,
        };
    }
    files.get(&at).filter(|_| absolute).map(|file| file.path.clone())
}
