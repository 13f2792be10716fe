from django.db import models


class EndedCall(models.Model):
    number = models.CharField(max_length=16)
    status = models.CharField(max_length=20)
    duration = models.IntegerField()
    summary = models.TextField()
