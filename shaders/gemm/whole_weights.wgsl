// Weights of one f16 part.
// gives: SPLIT

const SPLIT: bool = false;
