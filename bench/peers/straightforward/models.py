"""The rows that a first version would have: fewer columns and indexes than the product's."""

import uuid

from django.db import models


class Account(models.Model):
    name = models.CharField(max_length=100)
    credits = models.DecimalField(max_digits=14, decimal_places=4)


class ApiKey(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    digest = models.CharField(max_length=64, unique=True)


class Agent(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    default_number = models.CharField(max_length=16)
    prompt = models.TextField(blank=True)


class Call(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE)
    status = models.CharField(max_length=20, default="queued", db_index=True)
    to_number = models.CharField(max_length=16)
    from_number = models.CharField(max_length=16)
    params = models.JSONField(null=True)
    carrier_id = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)


class CallEvent(models.Model):
    call = models.ForeignKey(Call, on_delete=models.CASCADE)
    type = models.CharField(max_length=40)
    at = models.DateTimeField(auto_now_add=True)
