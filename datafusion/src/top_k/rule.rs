//! Finds the sorts that are searches.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use super::CodesTopKExec;
use super::exec::Search;
use crate::functions::{Score, ScoreOf};
use crate::models::Models;
use crate::query;

/// Puts a [`CodesTopKExec`] under every sort that orders rows by their score for a constant query, best first, and stops
/// after some. The score is that of a column of codes.
#[derive(Debug)]
pub struct CodesTopKRule {
    models: Models,
}

impl CodesTopKRule {
    /// The rule for functions that find their models here.
    #[must_use]
    pub fn new(models: &Models) -> Self {
        Self { models: models.clone() }
    }

    /// The plan of a sort, if it is a search.
    fn searched(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(sort) = plan.downcast_ref::<SortExec>() else { return Ok(None) };
        let Some(k) = sort.fetch().filter(|k| *k > 0) else { return Ok(None) };
        // Of rows of equal scores, further expressions choose: a search might leave others.
        let [first] = &sort.expr()[..] else { return Ok(None) };
        let input = sort.input();
        let projection = input.downcast_ref::<ProjectionExec>();
        let (by, below) = match (first.expr.downcast_ref::<Column>(), projection) {
            (Some(column), Some(projection)) => {
                (&projection.expr()[column.index()].expr, projection.input())
            }
            _ => (&first.expr, input),
        };
        let Some(search) = self.search(by, first, below, k)? else { return Ok(None) };
        let searched: Arc<dyn ExecutionPlan> = Arc::new(CodesTopKExec::new(below.clone(), search));
        let input = match Arc::ptr_eq(below, input) {
            true => searched,
            false => with_child(input, searched)?,
        };
        with_child(plan, input).map(Some)
    }

    /// What is searched for, if rows are sorted by a score, best first.
    fn search(
        &self,
        by: &Arc<dyn PhysicalExpr>,
        sort: &PhysicalSortExpr,
        below: &Arc<dyn ExecutionPlan>,
        k: usize,
    ) -> Result<Option<Search>> {
        let Some(call) = by.downcast_ref::<ScalarFunctionExpr>() else { return Ok(None) };
        let Some(score) = call.fun().inner().downcast_ref::<Score>() else { return Ok(None) };
        if score.lookup.models != self.models
            || sort.options.descending != (score.of == ScoreOf::Similarity)
        {
            return Ok(None);
        }
        let [codes, query, rest @ ..] = call.args() else { return Ok(None) };
        let Some(query) = constant(query).filter(|query| !query.is_null()) else { return Ok(None) };
        let metric = match rest.first().map(constant) {
            None => score.of.metric(None)?,
            Some(name) => {
                let Some(name) = name.and_then(|name| name.try_as_str().flatten()) else {
                    return Ok(None);
                };
                score.of.metric(Some(name))?
            }
        };
        let field = codes.return_field(&below.schema())?;
        let codec = score.lookup.of_codes(&field)?;
        let query = query::of_scalar(query, codec.model().config().dim)?.into();
        Ok(Some(Search {
            codes: codes.clone(),
            #[cfg(feature = "cluster")]
            link: score.lookup.link_of_codes(&field)?,
            field,
            codec,
            metric,
            query,
            k,
        }))
    }
}

fn with_child(
    plan: &Arc<dyn ExecutionPlan>,
    child: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    plan.clone().replace_children(vec![child], options)
}

fn constant(expr: &Arc<dyn PhysicalExpr>) -> Option<&ScalarValue> {
    expr.downcast_ref::<Literal>().map(Literal::value)
}

impl PhysicalOptimizerRule for CodesTopKRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let replaced = plan.transform_up(|plan| {
            Ok(match self.searched(&plan)? {
                Some(searched) => Transformed::yes(searched),
                None => Transformed::no(plan),
            })
        });
        replaced.map(|replaced| replaced.data)
    }

    fn name(&self) -> &str {
        "vecodec_codes_top_k"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
