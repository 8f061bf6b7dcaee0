// For a left operand whose values f16 may not hold exactly.
// gives: LHS_IS_F16

const LHS_IS_F16: bool = false;
