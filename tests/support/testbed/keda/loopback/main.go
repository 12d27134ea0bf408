// Command loopback is the metrics adapter and the admission webhooks of KEDA in one program that listens only on
// 127.0.0.1. KEDA's own programs for them (cmd/adapter and cmd/webhooks) listen on all interfaces.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/metricsservice"
	kedaprovider "github.com/kedacore/keda/v2/pkg/provider"
)

func main() {
	ctrl.SetLogger(zap.New())
	if err := run(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	adapter := &cmd.AdapterBase{Name: "keda-adapter"}
	flags := adapter.Flags()
	operator := flags.String("metrics-service-address", "", "The address of the operator's metrics service.")
	webhooksPort := flags.Int("webhooks-port", 9443, "The port of the admission webhooks.")
	// Has --kubeconfig of controller-runtime.
	flags.AddGoFlagSet(flag.CommandLine)
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	certificates := adapter.SecureServing.ServerCert.CertDirectory

	if err := kedav1alpha1.AddToScheme(scheme.Scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme.Scheme,
		Metrics: server.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{
			Host:    "127.0.0.1",
			Port:    *webhooksPort,
			CertDir: certificates,
		}),
	})
	if err != nil {
		return err
	}
	if err := (&kedav1alpha1.ScaledObject{}).SetupWebhookWithManager(manager, false); err != nil {
		return err
	}
	if err := (&kedav1alpha1.TriggerAuthentication{}).SetupWebhookWithManager(manager); err != nil {
		return err
	}

	measurements := grpcprom.NewClientMetrics()
	client, err := metricsservice.NewGrpcClient(ctx, *operator, certificates, "", "", measurements, false)
	if err != nil {
		return err
	}
	adapter.WithExternalMetrics(kedaprovider.NewProvider(ctx, ctrl.Log, manager.GetClient(), *client))

	ctx, cancel := context.WithCancelCause(ctx)
	go func() { cancel(manager.Start(ctx)) }()
	if err := adapter.Run(ctx); err != nil {
		return err
	}
	return context.Cause(ctx)
}
