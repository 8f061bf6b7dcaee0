//! Gives each call of a function a link to its model.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::functions;
use crate::models::Lookup;

/// Gives each call of a function a link to the model of its codes, or to that of the name it passes.
///
/// Another process that runs the plan would not find the model otherwise: it may know it by another name or not at all,
/// and DataFusion leaves out the metadata of a function's result, with the fingerprint, when it writes a plan.
#[derive(Debug)]
pub struct LinkModels;

impl OptimizerRule for LinkModels {
    fn name(&self) -> &str {
        "vecodec_link_models"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        // The expressions of a scan are of all columns of its table, not of those that it gives.
        let schema = match &plan {
            LogicalPlan::TableScan(scan) => {
                DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?
            }
            plan => merge_schema(&plan.inputs()),
        };
        plan.map_expressions(|expr| expr.transform_up(|expr| Ok(linked(expr, &schema))))
    }
}

fn linked(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::ScalarFunction(call) = &expr else { return Transformed::no(expr) };
    let with_link = || {
        let lookup = functions::lookup(&call.func).filter(|lookup| lookup.link.is_none())?;
        let link = functions::link_of_call(&call.func, &call.args, schema)?;
        functions::with_lookup(call.func.name(), Lookup::linked(&lookup.models, link))
    };
    match with_link() {
        Some(func) => {
            Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(func, call.args.clone())))
        }
        None => Transformed::no(expr),
    }
}
