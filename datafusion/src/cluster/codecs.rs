//! Plans as bytes: Ballista's codecs, with what is ours.

use std::sync::Arc;

use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::arrow::datatypes::{Field, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, TableReference};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalExprNode;
use prost::Message;
use vecodec::Metric;
use vecodec_arrow::CodesType;

use super::messages::{LinkMessage, SearchMessage};
use crate::error::{external, plan};
use crate::functions;
use crate::models::{Lookup, Models};
use crate::top_k::{CodesTopKExec, Search};

/// What the bytes of our nodes begin with. No message of Ballista's does: as protobuf, its first byte would be a field
/// of a wire type that does not exist.
const MARK: &[u8] = b"vecodec";

/// Writes the links of functions and reads them back, with models of this process.
#[derive(Debug)]
struct Functions(Models);

impl Functions {
    fn encode(function: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        if let Some(Lookup { link: Some(link), .. }) = functions::lookup(function) {
            LinkMessage::from(link.clone()).encode(buf).map_err(external)?;
        }
        Ok(())
    }

    fn decode(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        let link = LinkMessage::decode(buf).map_err(external)?;
        functions::with_lookup(name, Lookup::linked(&self.0, link.into()))
            .ok_or_else(|| plan(format!("there is no function {name}: is this process older?")))
    }
}

/// Ballista's codec of logical plans, with the links of functions.
#[derive(Debug)]
pub(super) struct LogicalCodec {
    ballista: BallistaLogicalExtensionCodec,
    functions: Functions,
}

impl LogicalCodec {
    pub(super) fn new(models: &Models) -> Self {
        Self { ballista: Default::default(), functions: Functions(models.clone()) }
    }
}

impl LogicalExtensionCodec for LogicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[LogicalPlan],
        ctx: &TaskContext,
    ) -> Result<Extension> {
        self.ballista.try_decode(buf, inputs, ctx)
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        self.ballista.try_encode(node, buf)
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        table: &TableReference,
        schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        self.ballista.try_decode_table_provider(buf, table, schema, ctx)
    }

    fn try_encode_table_provider(
        &self,
        table: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        self.ballista.try_encode_table_provider(table, node, buf)
    }

    fn try_decode_file_format(
        &self,
        buf: &[u8],
        ctx: &TaskContext,
    ) -> Result<Arc<dyn FileFormatFactory>> {
        self.ballista.try_decode_file_format(buf, ctx)
    }

    fn try_encode_file_format(
        &self,
        buf: &mut Vec<u8>,
        node: Arc<dyn FileFormatFactory>,
    ) -> Result<()> {
        self.ballista.try_encode_file_format(buf, node)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        self.functions.decode(name, buf)
    }

    fn try_encode_udf(&self, function: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        Functions::encode(function, buf)
    }
}

/// Ballista's codec of physical plans, with the links of functions and with searches.
#[derive(Debug)]
pub(super) struct PhysicalCodec {
    ballista: BallistaPhysicalExtensionCodec,
    functions: Functions,
}

impl PhysicalCodec {
    pub(super) fn new(models: &Models) -> Self {
        Self { ballista: Default::default(), functions: Functions(models.clone()) }
    }
}

impl PhysicalExtensionCodec for PhysicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(buf) = buf.strip_prefix(MARK) else {
            return self.ballista.try_decode(buf, inputs, ctx, converter);
        };
        let [input] = inputs else {
            return Err(plan(format!("a search has one input, and here {}", inputs.len())));
        };
        let SearchMessage { link, codes, metric, query, k } =
            SearchMessage::decode(buf).map_err(external)?;
        let codes = PhysicalExprNode::decode(&codes[..]).map_err(external)?;
        let ctx = PhysicalPlanDecodeContext::new(ctx, self);
        let codes = converter.proto_to_physical_expr(&codes, &input.schema(), &ctx)?;
        let link = link.into();
        let codec = self.functions.0.linked(&link)?;
        let model = codec.model();
        let field = Field::new("codes", CodesType::storage(model), true)
            .with_extension_type(CodesType::of(model));
        let search = Search {
            codes,
            field: Arc::new(field),
            codec,
            link,
            metric: metric.parse::<Metric>().map_err(plan)?,
            query: query.into(),
            k: usize::try_from(k).map_err(external)?,
        };
        Ok(Arc::new(CodesTopKExec::new(input.clone(), search)))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(exec) = node.downcast_ref::<CodesTopKExec>() else {
            return self.ballista.try_encode(node, buf, converter);
        };
        let Search { codes, link, metric, query, k, .. } = exec.search();
        let message = SearchMessage {
            link: link.clone().into(),
            codes: converter.physical_expr_to_proto(codes, self)?.encode_to_vec(),
            metric: metric.to_string(),
            query: query.to_vec(),
            k: *k as u64,
        };
        buf.extend_from_slice(MARK);
        message.encode(buf).map_err(external)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        self.functions.decode(name, buf)
    }

    fn try_encode_udf(&self, function: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        Functions::encode(function, buf)
    }
}
