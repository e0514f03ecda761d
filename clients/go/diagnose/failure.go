package main

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// explain reads what an error of medmesh carries beside its status and sentence, one line a fact.
func explain(err error) string {
	failed := status.Convert(err)
	lines := []string{fmt.Sprintf("%s: %s", failed.Code(), failed.Message())}
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo: // the names are those of docs/errors.md
			lines = append(lines, "reason: "+detail.Reason)
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				lines = append(lines, violation.Field+": "+violation.Description)
			}
		case *errdetails.RetryInfo:
			lines = append(lines, fmt.Sprintf("try again in %d s", detail.RetryDelay.GetSeconds()))
		}
	}
	return strings.Join(lines, "\n")
}
