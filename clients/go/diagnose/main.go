// Diagnose sends an image, a note and a FHIR bundle to a running mesh and prints how probable each condition is.
//
//	diagnose 127.0.0.1:50060 chest.dcm note.txt bundle.json
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"

	commonv1 "medmesh/common/v1"
	imagingv1 "medmesh/imaging/v1"
	orchestratorv1 "medmesh/orchestrator/v1"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: diagnose ADDRESS IMAGE NOTE BUNDLE")
		os.Exit(2)
	}
	diagnosis, err := diagnose(os.Args[1], read(os.Args[2]), string(read(os.Args[3])), read(os.Args[4]))
	if err != nil {
		fmt.Fprintln(os.Stderr, explain(err))
		os.Exit(1)
	}
	fmt.Println(diagnosis.Completeness)
	for _, assessment := range diagnosis.Assessments {
		fmt.Printf("%.1f%%  %s\n", 100*assessment.Probability, assessment.Condition.Display)
	}
}

func diagnose(address string, image []byte, note string, bundle []byte) (*orchestratorv1.Diagnosis, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// Since grpc 1.63 this reads grpc.NewClient with insecure.NewCredentials; Debian's 1.33 knows neither.
	connection, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	answer, err := orchestratorv1.NewDiagnosticServiceClient(connection).Diagnose(ctx, &orchestratorv1.DiagnoseRequest{
		Case: &orchestratorv1.DiagnosticCase{
			Images: []*orchestratorv1.CaseImage{{
				Sources: []*imagingv1.ImageSource{{Source: &imagingv1.ImageSource_Content{Content: image}}},
			}},
			Note:    note,
			Patient: &commonv1.PatientInput{Form: &commonv1.PatientInput_FhirBundle{FhirBundle: bundle}},
		},
	})
	if err != nil {
		return nil, err
	}
	return answer.Diagnosis, nil
}

func read(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return content
}
