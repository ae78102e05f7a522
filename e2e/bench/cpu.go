package main

import "context"

func measureCPU(ctx context.Context, b *bench, r *report) error { return nil }
