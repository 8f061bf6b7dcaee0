// Weights of two f16 parts: each matrix is followed by the matrix of what rounding lost.
// gives: SPLIT

const SPLIT: bool = true;
