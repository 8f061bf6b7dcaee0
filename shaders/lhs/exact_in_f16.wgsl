// For a left operand whose values f16 holds exactly.
// gives: LHS_IS_F16

const LHS_IS_F16: bool = true;
