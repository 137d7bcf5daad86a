package binenc

// Unknown is the type of a struct field that holds what a plan does not know: a message
// of the fields newer code wrote. [Plan.Decode] fills it with a copy and [Plan.Append]
// writes them back, each in its place. A struct without such a field drops them. A
// number that the plan knows is not taken from here.
type Unknown []byte
