from django.urls import path

from bench.peers.straightforward import views

urlpatterns = [path("healthz", views.alive), path("calls", views.SendCallView.as_view())]
