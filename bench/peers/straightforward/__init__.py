"""The straightforward version of accepting and dialling a call, as one would write it first.

DRF serializers, django-ratelimit, one Celery task per call.
"""
