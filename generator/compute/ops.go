package compute

// Prediction names what the denoiser predicts.
type Prediction int

// With a = sqrt(abar_t) and b = sqrt(1-abar_t), x_t = a·x0 + b·eps.
const (
	PredictEps Prediction = iota // eps (published)
	PredictV                     // v = a·eps - b·x0 (default)
	PredictX0                    // x0
)

// CausalConv is a depthwise causal convolution followed by SiLU:
//
//	p[n,l,c] = Bias[c] + Σ_k W[c,k]·X[n, l-K+1+k, c]
//	Y = SiLU(p)
//
// X and Y are [N·L, C] (any stride), W is [C, K], Bias [C]. Before l = 0 lie the
// rows of Before, [N·(K-1), C], the last of each sequence's next to its first row
// of X; X is 0 there where Before is absent. So a long sequence is taken in pieces.
type CausalConv struct {
	N, L, K int
	X, Y    Matrix
	W, Bias Buffer
	Before  Matrix
}

// CausalConvBackward: DX is overwritten, and so is DBefore, the gradient of Before,
// unless it is absent; DW and DBias accumulate. Y is not read; the pre-activation
// is computed again.
type CausalConvBackward struct {
	CausalConv
	DY, DX    Matrix
	DW, DBias Buffer
	DBefore   Matrix
}

// SSD is the selective scan of Mamba-2 with one group, for N sequences of L
// tokens, H heads of width P and state size S:
//
//	dt = softplus(DT + DTBias[h]),  A = -exp(ALog[h])
//	h_l[p,s] = exp(dt_l·A)·h_{l-1}[p,s] + dt_l·x_l[p]·B_l[s],  h_{-1} = Start
//	y_l[p] = Σ_s h_l[p,s]·C_l[s] + D[h]·x_l[p]
//
// X and Y are [N·L, H·P] with head h in columns h·P..(h+1)·P-1; B and C are
// [N·L, S]; DT is [N·L, H]; DTBias, ALog and D are [H].
// Devices compute it in chunks of Chunk tokens (the last may be shorter) with
// matrix products. States, [N, ceil(L/Chunk), H, P, S], receives the state at
// the start of each chunk; the backward pass reads it.
//
// Start and End, [N, H, P, S], let a long sequence be taken in pieces: the state
// before the first token (nil: zeros) and where the state after the last one
// goes (nil: nowhere). They may be the same buffer. Pieces whose length is a
// multiple of Chunk give what the whole sequence gives, bit for bit.
type SSD struct {
	N, L, H, P, S, Chunk int
	X, B, C, DT, Y       Matrix
	DTBias, ALog, D      Buffer
	States               Buffer
	Start, End           Buffer
}

// Chunks is the number of chunks in a sequence.
func (a SSD) Chunks() int { return (a.L + a.Chunk - 1) / a.Chunk }

// SSDBackward: DX, DB, DC and DDT are overwritten; DDTBias, DALog and DD
// accumulate. Y is not read.
//
// Of a piece of a sequence, DEnd is the gradient of End (nil: zeros), and DStart
// receives that of Start (nil: it goes nowhere). They may be the same buffer. Start
// is nil or not as in the forward pass; with a DEnd, End is what that made.
type SSDBackward struct {
	SSD
	DY, DX, DB, DC, DDT Matrix
	DDTBias, DALog, DD  Buffer
	DStart, DEnd        Buffer
}

// LSTM is the recurrence of an LSTM layer, for N sequences of L tokens and a state
// of width M:
//
//	[i|f|g|o] = Gates_l + h_{l-1}·Wᵀ
//	c_l = σ(f)·c_{l-1} + σ(i)·tanh(g),  h_l = σ(o)·tanh(c_l)
//
// Gates is [N·L, 4M] and holds what the layer's input gives to the gates, biases
// included; it receives σ(i), σ(f), tanh(g) and σ(o), which the backward pass
// reads. H and C, [N·L, M], receive h and c. W is [4M, M]. c_{-1} and h_{-1} are
// those of Start.
//
// Start and End, [N, 2, M], h before c, let a long sequence be taken in pieces:
// what is before the first token (nil: zeros) and where what is after the last
// one goes (nil: nowhere). They may be the same buffer. Pieces of any length give
// what the whole sequence gives, bit for bit.
type LSTM struct {
	N, L, M     int
	Gates, H, C Matrix
	W           Buffer
	Start, End  Buffer
}

// LSTMBackward: DGates, [N·L, 4M], receives the gradient of what Gates held
// before the forward pass; DH is that of H, from outside the recurrence. The
// gradient of W is Σ_l DGates_lᵀ·h_{l-1}, a product for the caller. H and End are
// not read.
//
// Of a piece of a sequence, DEnd is the gradient of End (nil: zeros), and DStart
// receives that of Start (nil: it goes nowhere). They may be the same buffer.
type LSTMBackward struct {
	LSTM
	DH, DGates   Matrix
	DStart, DEnd Buffer
}

// Attention is causal attention, for N sequences of L queries with H heads of
// width P, of which head h is in columns h·P..(h+1)·P-1:
//
//	s[i,j] = Q_i·K_j/sqrt(P) for j <= First+i, else -inf
//	Y_i = Σ_j exp(s[i,j]-LSE_i)·V_j,  LSE_i = ln Σ_j exp(s[i,j])
//
// Q and Y are [N·L, H·P], K and V [N·(First+L), H·P], LSE is [N·L, H]. First is
// the number of keys before that of the first query: so a long sequence is taken
// in pieces, with the keys and values of all tokens so far. Pieces of any length
// give what the whole sequence gives, bit for bit. The backward pass takes First = 0.
//
// Devices take keys in blocks and keep the sums of a row up to date, so that the
// memory they need grows with L alone.
type Attention struct {
	N, L, H, P, First int
	Q, K, V, Y        Matrix
	LSE               Matrix
}

// AttentionBackward: DY is the gradient of Y; DQ, DK and DV are overwritten. Y and
// LSE are those of the forward pass; the scores are computed again.
type AttentionBackward struct {
	Attention
	DY, DQ, DK, DV Matrix
}

// ConvLayer is one convolution of the published denoiser, for n tokens taken
// as signals of C channels and length D, "same" padding, K odd:
//
//	g[i,c,d] = (X[i,c,d] + Skip[i,c,d] + Cond[i,d])·Time[i,d]
//	Y[i,o,d] = Bias[o] + Σ_{c,k} W[o,c,k]·g[i, c, d+k-K/2]   (g is 0 outside)
//
// X and Skip (which may be absent) have a row of In·D values for each token, Y
// one of Out·D; W is [Out, In, K]; Cond and Time are [n, D], a Stride of 0
// repeats one row.
//
// In training, X and Skip may each be the Y of another layer, of which g takes
// the normalized values N: XNorm and SkipNorm. YNorm, when there is one,
// receives the statistics of Y. So normalized values are never stored.
//
// X, Skip and Y may each be in a buffer of AllocRounded. The statistics are then those
// of what is stored.
//
// With ELU set, Y = ELU(that), alpha 1; with Packed, which PackConvLayer made, W
// is not read. Both are for sampling; the backward pass takes neither.
type ConvLayer struct {
	Tokens, In, Out, K, D  int
	X, Skip, Y             Matrix
	XNorm, SkipNorm, YNorm *BatchNorm // nil: none
	Cond, Time             Matrix
	W, Bias                Buffer
	Packed                 Buffer
	ELU                    bool
}

// ConvLayerBackward: DY is the gradient of Y or, with a YNorm, of N(Y); only
// then Y is read, and Raw, unless it is absent, receives the gradient of Y itself.
// DX, that of X or N(X) and likewise of Skip or N(Skip), is overwritten, or added
// to with AddDX; DCond and DTime ([n, D]) and DW, DBias accumulate. With an XNorm
// that has a DScale, DX must then be the whole gradient of N(X): its part in the
// batch statistics goes to XNorm. DX may be absent, for a first layer's constant
// input.
//
// Without DW, DX and what goes to XNorm are all that is computed: Skip, Cond,
// DCond, DTime and DBias are not used, nor is X but for XNorm.
//
// DY, DX and Raw may be in buffers of AllocRounded too; what goes to XNorm is of DX as
// stored.
//
// A row of DX may lie where the same token's rows of DY and Y do, in any way, or
// exactly where that of Skip does; a row of Raw exactly where that of Y does.
type ConvLayerBackward struct {
	ConvLayer
	DY, DX, Raw  Matrix
	AddDX        bool
	DCond, DTime Matrix
	DW, DBias    Buffer
}

// BatchNorm is the normalization by which the Y of one ConvLayer becomes an
// input of others, for each of its C channels, with ELU of alpha 1:
//
//	N(y) = ELU(u),  u = Scale·unit + Bias,  unit = (y-Mean)·InvStd
//
// The layer sets Mean and InvStd = 1/sqrt(v+Eps), m and v being the mean and the
// biased variance over tokens and positions, and moves the running values:
// running = (1-Momentum)·running + Momentum·batch, with the unbiased variance.
//
// In the backward pass the reader of N(y) as its X, if there is a DScale, adds
// Σ du·unit to it and Σ du to DBias, and sets Along and Level to the means of the
// same, over tokens and positions; the layer itself then takes
// dy = Scale·InvStd·(du - Level - unit·Along).
//
// All buffers are [C].
type BatchNorm struct {
	Scale, Bias             Buffer
	Eps, Momentum           float32
	Mean, InvStd            Buffer
	RunningMean, RunningVar Buffer
	DScale, DBias           Buffer
	Along, Level            Buffer
}

// AdamW is one step of decoupled weight decay Adam (Loshchilov & Hutter 2019)
// on the values of P:
//
//	g = G·min(1, MaxNorm/(sqrt(Norm[0])+1e-6))     (MaxNorm 0: no clipping)
//	M = Beta1·M + (1-Beta1)·g,  V = Beta2·V + (1-Beta2)·g²
//	P = P - LR·Decay·P - LR·(M/(1-Beta1^Step)) / (sqrt(V/(1-Beta2^Step)) + Eps)
//
// and, where EMA is not nil, with the new P,
//
//	EMA = EMADecay·EMA + (1-EMADecay)·P
//
// Norm holds the squared sum of all gradients (SquaredSum), of which G may be
// a part. Step counts from 1.
type AdamW struct {
	P, G, M, V        Buffer
	Norm              Buffer
	MaxNorm, LR       float32
	Beta1, Beta2, Eps float32
	Decay             float32
	Step              int
	EMA               Buffer
	EMADecay          float32
}

// AdamW8 is AdamW with M and V in 8 bits, for training with less memory
// (Dettmers et al., arXiv 2110.02861). Blocks of StateBlock values, the last one
// maybe shorter, have a scale each. For value i, in block b, a step begins with
//
//	M = StateCodes(true)[m_i]·MScale[b],  V = StateCodes(false)[v_i]·VScale[b]
//
// is AdamW from there, in float32, and ends with the scales max|M| and max V of
// the block and, as m_i and v_i, the codes nearest to M/MScale[b] and V/VScale[b].
// A V that is not 0 keeps at least the smallest code that is not: else a value
// whose gradients are far below the largest of its block would be divided by Eps
// alone. That is not in the paper, and makes such steps smaller.
//
// With n values in P, MCodes and VCodes have ceil(n/4) integers with four codes
// each, the first in the lowest bits, and MScale and VScale ceil(n/StateBlock)
// values. All 0 stands for M = V = 0. M and V themselves are nil.
type AdamW8 struct {
	AdamW
	MCodes, VCodes Ints
	MScale, VScale Buffer
}
